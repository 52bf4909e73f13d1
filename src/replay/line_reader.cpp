#include "canaryd/replay/line_reader.hpp"

#include "replay/parts.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::replay {

LineReader::LineReader(std::string rollout,
                       analysis::ErrorClasses errors,
                       std::vector<std::string> routes,
                       std::vector<std::string> upstreams)
    : rollout_(std::move(rollout)),
      errors_(std::move(errors)),
      routes_(std::move(routes)),
      upstreams_(std::move(upstreams)) {}

// One that is not judged apart is part of the sum, as in the daemon.
void LineReader::set_route(RecordedRequest& request, std::string_view name) const {
  request.tells_route = true;
  const auto found = std::ranges::find(routes_, name);
  if (found != routes_.end()) request.route = static_cast<std::uint32_t>(found - routes_.begin());
}

void LineReader::begin_file() noexcept {
  format_ = Format::kUnknown;
}

Result<std::optional<RecordedRequest>> LineReader::read(std::string_view line) {
  if (line.size() > kLineBytesMax) {
    return fail(ErrorCode::kMalformed,
                "the line is longer than " + std::to_string(kLineBytesMax) + " bytes");
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (format_ == Format::kUnknown && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return std::nullopt;
  if (format_ == Format::kUnknown && line.starts_with('{')) format_ = Format::kAccessLog;
  if (format_ == Format::kUnknown && is_combined(line)) format_ = Format::kCombined;
  if (format_ == Format::kUnknown) {
    CANARYD_TRY(read_header(line));
    format_ = Format::kCsv;
    return std::nullopt;
  }
  if (format_ == Format::kAccessLog) return read_access(line);
  if (format_ == Format::kCombined) return read_combined(line);
  CANARYD_TRY_ASSIGN(RecordedRequest request, read_csv(line));
  return request;
}

}  // namespace canaryd::replay
