// Reads recorded traffic, a line at a time: canaryd's own JSON access log, Apache's combined form
// with two or three words behind it, or CSV with a header line (docs/interfaces.md, "Replay").
// Pure; bytes may be anything: what is not a line of its format is an error with a sentence, never
// more than that.
//
// CSV: the header names the columns, in any order: timestamp_ms, cohort, status, latency_ms, and if
// there are any client, weight and route. Fields may be quoted as in RFC 4180, but hold no line
// break.
//
// Access log: lines of other rollouts count for nothing, and neither does what the daemon leaves
// out of its evidence: forced and followed requests, those without a key, probes, and failures that
// are nobody's (a client that left unanswered, an overload). What is a failure, the rollout's
// `analysis.errors` says, for CSV too.
//
// Combined: as canaryd writes it, or any server that adds %D and the cohort; if there is an
// upstream behind them, only lines with one of the rollout's count. Times are whole seconds, users
// are unknown (behind a proxy all have one address), and failures are what clients were told.
//
// Thread rule: one owner. Bounds: kLineBytesMax a line.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/strong.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::replay {

// One request that is evidence.
struct RecordedRequest {
  std::int64_t ended_ms = 0;  // Unix time, 0 to kTimeMsMax.
  std::int64_t started_ms = 0;
  Duration latency{};
  Cohort cohort = Cohort::kStable;
  bool bad = false;
  bool client_error = false;           // Not bad, but answered 4xx.
  bool left = false;                   // By its client: how long it would have taken is not known.
  std::uint64_t client = 0;            // A hash of the key; 0: unknown.
  std::optional<BasisPoints> weight;   // In force for this request; nothing: not recorded.
  std::uint64_t revision = 0;          // A hash of the canary's; 0: not recorded.
  bool tells_route = false;            // The recording says by which route it came,
  std::optional<std::uint32_t> route;  // and it is one of those that are judged apart.
  friend bool operator==(const RecordedRequest&, const RecordedRequest&) = default;
};

inline constexpr std::size_t kLineBytesMax = std::size_t{64} * 1024;
// The end of 2261: a little later is more nanoseconds since 1970 than a Duration holds.
inline constexpr std::int64_t kTimeMsMax = 9'214'646'399'999;

class LineReader {
 public:
  // `routes`: the names of analysis::Settings::routes. `upstreams`: the rollout's; none: any.
  LineReader(std::string rollout,
             analysis::ErrorClasses errors,
             std::vector<std::string> routes = {},
             std::vector<std::string> upstreams = {});

  // The next line is the first of a file: it tells the format, and may be a header.
  void begin_file() noexcept;
  // A line without its line feed; a carriage return before that is not part of it. Nothing: a
  // header, an empty line, or a request that is no evidence. kMalformed with what is wrong.
  [[nodiscard]] Result<std::optional<RecordedRequest>> read(std::string_view line);
  // The file is an access log; false before its first line.
  [[nodiscard]] bool is_access_log() const noexcept {
    return format_ == Format::kAccessLog || format_ == Format::kCombined;
  }

 private:
  enum class Format : std::uint8_t { kUnknown, kCsv, kAccessLog, kCombined };
  enum Column : std::uint8_t {
    kTimestamp,
    kCohort,
    kStatus,
    kLatency,
    kClient,
    kWeight,
    kRoute,
    kColumns
  };
  static constexpr std::size_t kAbsent = SIZE_MAX;

  void set_route(RecordedRequest& request, std::string_view name) const;
  [[nodiscard]] Result<void> read_header(std::string_view line);
  [[nodiscard]] Result<void> split(std::string_view line);
  [[nodiscard]] Result<RecordedRequest> read_csv(std::string_view line);
  [[nodiscard]] Result<std::optional<RecordedRequest>> read_access(std::string_view line) const;
  [[nodiscard]] static bool is_combined(std::string_view line);
  [[nodiscard]] Result<std::optional<RecordedRequest>> read_combined(std::string_view line) const;

  std::string rollout_;
  analysis::ErrorClasses errors_;
  std::vector<std::string> routes_;
  std::vector<std::string> upstreams_;
  Format format_ = Format::kUnknown;
  std::array<std::size_t, kColumns> columns_{};  // Where each column is, or kAbsent.
  std::vector<std::string> fields_;              // Of the last line; the first `used_` are its.
  std::size_t used_ = 0;
};

}  // namespace canaryd::replay
