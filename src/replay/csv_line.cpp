#include "canaryd/base/hash.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/replay/line_reader.hpp"
#include "replay/parts.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

namespace canaryd::replay {
namespace {

constexpr std::array<std::string_view, 7> kNames = {
    "timestamp_ms", "cohort", "status", "latency_ms", "client", "weight", "route"};
constexpr std::size_t kRequired = 4;
constexpr std::size_t kMostFields = 64;
// So that a start is never before all time; no request takes a thousand days.
constexpr double kLatencyMsMax = 86'400'000'000.0;

std::string list_of_names() {
  std::string list;
  for (const std::string_view name : kNames) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

// Plain decimal notation, the whole text; no "nan", "inf" or hexadecimal.
std::optional<double> decimal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

Result<Cohort> cohort_of(std::string_view field) {
  if (field == to_string(Cohort::kStable)) return Cohort::kStable;
  if (field == to_string(Cohort::kCanary)) return Cohort::kCanary;
  return wrong("cohort", field, "stable or canary");
}

std::uint64_t hash_of(std::string_view client) {
  if (client.empty()) return 0;
  return std::max<std::uint64_t>(1, siphash(key_from_salt("replay"), client));
}

}  // namespace

Result<void> LineReader::read_header(std::string_view line) {
  const auto not_a_header = [&] {
    return fail(ErrorCode::kMalformed,
                "the first line is neither JSON nor Apache's combined form nor a header with "
                "timestamp_ms, cohort, status and latency_ms: " +
                    quote(line));
  };
  const auto is_known = [](const std::string& field) {
    return std::ranges::find(kNames, field) != kNames.end();
  };
  if (!split(line)) return not_a_header();
  const auto fields = std::span(fields_).first(used_);
  if (std::ranges::none_of(fields, is_known)) return not_a_header();
  columns_.fill(kAbsent);
  for (std::size_t i = 0; i < used_; ++i) {
    const auto name = std::ranges::find(kNames, fields_[i]);
    if (name == kNames.end()) {
      return fail(ErrorCode::kMalformed,
                  "unknown column " + quote(fields_[i]) + "; there are " + list_of_names());
    }
    std::size_t& column = columns_[static_cast<std::size_t>(name - kNames.begin())];
    if (column != kAbsent)
      return fail(ErrorCode::kMalformed, "column " + fields_[i] + " is there twice");
    column = i;
  }
  for (std::size_t i = 0; i < kRequired; ++i) {
    if (columns_[i] == kAbsent) {
      return fail(ErrorCode::kMalformed, "column " + std::string(kNames[i]) + " is missing");
    }
  }
  return {};
}

Result<void> LineReader::split(std::string_view line) {
  used_ = 0;
  std::size_t at = 0;
  while (true) {
    if (used_ == kMostFields) return fail(ErrorCode::kMalformed, "more than 64 fields");
    if (used_ == fields_.size()) fields_.emplace_back();
    std::string& field = fields_[used_++];
    field.clear();
    if (at < line.size() && line[at] == '"') {
      for (++at;; ++at) {
        if (at >= line.size()) return fail(ErrorCode::kMalformed, "a quote is not closed");
        if (line[at] != '"') {
          field += line[at];
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
          field += line[at++];
        } else {
          break;
        }
      }
      ++at;
      if (at < line.size() && line[at] != ',') {
        return fail(ErrorCode::kMalformed, "text after a closing quote");
      }
    } else {
      const std::size_t comma = std::min(line.find(',', at), line.size());
      field = line.substr(at, comma - at);
      at = comma;
    }
    if (at >= line.size()) return {};
    ++at;
  }
}

Result<RecordedRequest> LineReader::read_csv(std::string_view line) {
  const std::size_t expected = static_cast<std::size_t>(
      std::ranges::count_if(columns_, [](std::size_t column) { return column != kAbsent; }));
  CANARYD_TRY(split(line));
  if (used_ != expected) {
    return fail(ErrorCode::kMalformed,
                std::to_string(used_) + " fields where the header has " + std::to_string(expected));
  }
  const auto field = [this](Column column) -> const std::string& {
    return fields_[columns_[column]];
  };

  RecordedRequest request;
  const auto time = decimal(field(kTimestamp));
  if (!time || *time < 0 || *time > static_cast<double>(kTimeMsMax)) {
    return wrong("timestamp_ms", field(kTimestamp), "a Unix time in milliseconds");
  }
  request.ended_ms = static_cast<std::int64_t>(*time);
  CANARYD_TRY_ASSIGN(request.cohort, cohort_of(field(kCohort)));
  const auto status = decimal(field(kStatus));
  if (!status || *status < 100 || *status > 599 || *status != std::floor(*status)) {
    return wrong("status", field(kStatus), "a status from 100 to 599");
  }
  request.bad = errors_.has_status(static_cast<unsigned>(*status));
  request.client_error = !request.bad && *status >= 400 && *status < 500;
  const auto latency = decimal(field(kLatency));
  if (!latency || *latency < 0 || *latency > kLatencyMsMax) {
    return wrong("latency_ms", field(kLatency), "a number of milliseconds");
  }
  request.started_ms = request.ended_ms - static_cast<std::int64_t>(*latency);
  request.latency = Duration(std::llround(*latency * 1e6));
  if (columns_[kClient] != kAbsent) request.client = hash_of(field(kClient));
  if (columns_[kWeight] != kAbsent) {
    const auto weight = parse_percent(field(kWeight));
    if (!weight) return wrong("weight", field(kWeight), "a percentage from 0 to 100");
    request.weight = *weight;
  }
  if (columns_[kRoute] != kAbsent) set_route(request, field(kRoute));
  return request;
}

}  // namespace canaryd::replay
