// %h %l %u [%t] "%r" %>s %b "%{Referer}i" "%{User-agent}i" %D cohort, and if it is ours the
// upstream.
#include "canaryd/replay/line_reader.hpp"
#include "replay/parts.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace canaryd::replay {
namespace {

constexpr std::size_t kTimeBytes = 26;  // "05/Jan/2026:10:02:00 +0000"
constexpr unsigned kClientLeft = 499;
// So that a start is never before all time; no request takes a thousand days.
constexpr std::uint64_t kMicrosMax = 86'400'000'000'000;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<unsigned> month_of(std::string_view name) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::size_t at = kMonths.find(name);
  if (at == std::string_view::npos || at % 3 != 0) return std::nullopt;
  return static_cast<unsigned>(at / 3 + 1);
}

// Unix seconds.
std::optional<std::int64_t> time_of(std::string_view text) {
  namespace chrono = std::chrono;
  constexpr std::string_view kMarks = "  /   /    :  :  :   ";
  if (text.size() != kTimeBytes) return std::nullopt;
  for (std::size_t i = 0; i < kMarks.size(); ++i) {
    if (kMarks[i] != ' ' && text[i] != kMarks[i]) return std::nullopt;
  }
  const auto day = number(text.substr(0, 2));
  const auto month = month_of(text.substr(3, 3));
  const auto year = number(text.substr(7, 4));
  const auto hour = number(text.substr(12, 2));
  const auto minute = number(text.substr(15, 2));
  const auto second = number(text.substr(18, 2));
  const auto zone_hours = number(text.substr(22, 2));
  const auto zone_minutes = number(text.substr(24, 2));
  if (!day || !month || !year || !hour || !minute || !second || !zone_hours || !zone_minutes) {
    return std::nullopt;
  }
  const chrono::year_month_day date(chrono::year(static_cast<int>(*year)),
                                    chrono::month(*month),
                                    chrono::day(static_cast<unsigned>(*day)));
  const bool has_sign = text[20] == ' ' && (text[21] == '+' || text[21] == '-');
  if (!date.ok() || !has_sign || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const auto clock = static_cast<std::int64_t>(*hour * 3600 + *minute * 60 + *second);
  const auto zone = static_cast<std::int64_t>(*zone_hours * 3600 + *zone_minutes * 60);
  const std::int64_t days = chrono::sys_days(date).time_since_epoch().count();
  return days * 86'400 + clock - (text[21] == '+' ? zone : -zone);
}

// Takes a quoted field with the blank behind it off the front. False: there is none.
bool drop_quoted(std::string_view& line) {
  if (!line.starts_with('"')) return false;
  std::size_t at = 1;
  while (at < line.size() && line[at] != '"') at += line[at] == '\\' ? 2U : 1U;
  if (at >= line.size()) return false;
  line.remove_prefix(at + 1);
  if (line.starts_with(' ')) line.remove_prefix(1);
  return true;
}

// Takes a word with the blank behind it off the front; empty at the end.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

struct Parts {
  std::string_view time;
  std::string_view status;
  std::string_view micros;
  std::string_view cohort;
  std::string_view upstream;  // Empty: not told.
};

// Nothing: not a line of this form. A name of a user may hold blanks, but no " [".
std::optional<Parts> parts_of(std::string_view line) {
  Parts parts;
  const std::size_t bracket = line.find(" [");
  if (bracket == std::string_view::npos) return std::nullopt;
  line.remove_prefix(bracket + 2);
  const std::size_t end = line.find("] ");
  if (end == std::string_view::npos) return std::nullopt;
  parts.time = line.substr(0, end);
  line.remove_prefix(end + 2);
  if (!drop_quoted(line)) return std::nullopt;
  parts.status = take_word(line);
  take_word(line);
  if (!drop_quoted(line) || !drop_quoted(line)) return std::nullopt;
  parts.micros = take_word(line);
  parts.cohort = take_word(line);
  parts.upstream = take_word(line);
  return parts;
}

}  // namespace

bool LineReader::is_combined(std::string_view line) {
  const auto parts = parts_of(line);
  return parts && time_of(parts->time);
}

Result<std::optional<RecordedRequest>> LineReader::read_combined(std::string_view line) const {
  const auto parts = parts_of(line);
  if (!parts) return fail(ErrorCode::kMalformed, "not a line of the combined form");
  if (parts->cohort.empty()) {
    return fail(ErrorCode::kMalformed,
                "behind the combined form %D and the cohort are missing: " + quote(parts->micros));
  }
  const auto began = time_of(parts->time);
  if (!began) return wrong("the time", parts->time, "one of the form 05/Jan/2026:10:02:00 +0000");
  const auto status = number(parts->status);
  if (!status || *status < 100 || *status > 599) {
    return wrong("the status", parts->status, "one from 100 to 599");
  }
  const auto micros = number(parts->micros);
  if (!micros || *micros > kMicrosMax) {
    return wrong("%D", parts->micros, "a number of microseconds");
  }
  RecordedRequest request;
  request.started_ms = *began * 1000;
  request.ended_ms = request.started_ms + static_cast<std::int64_t>(*micros / 1000);
  if (request.started_ms < 0 || request.ended_ms > kTimeMsMax) {
    return wrong("the time", parts->time, "between 1970 and 2261");
  }
  if (!parts->upstream.empty() && !upstreams_.empty() &&
      std::ranges::find(upstreams_, parts->upstream) == upstreams_.end()) {
    return std::nullopt;
  }
  if (parts->cohort == to_string(Cohort::kCanary)) {
    request.cohort = Cohort::kCanary;
  } else if (parts->cohort != to_string(Cohort::kStable)) {
    if (parts->cohort == "-" || parts->cohort == to_string(Cohort::kNone)) return std::nullopt;
    return wrong("the cohort", parts->cohort, "stable or canary");
  }
  // How long a tunnel's handshake took is not told.
  if (*status == kClientLeft || *status == kSwitchingProtocols) return std::nullopt;
  request.bad = errors_.has_status(static_cast<unsigned>(*status));
  request.client_error = !request.bad && *status >= 400 && *status < 500;
  request.latency = std::chrono::microseconds(*micros);
  return request;
}

}  // namespace canaryd::replay
