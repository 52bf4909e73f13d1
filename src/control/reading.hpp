// What one answer of a query's provider says, and what a row of answers amounts to.
//
// Nothing in an answer is trusted, and nothing that is not plainly a reading passes for one: no
// answer, another status, another shape, no sample or several, NaN and infinities are all kNone.
// Pure.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/client/http_client.hpp"
#include "canaryd/config/query.hpp"
#include "canaryd/rollout/event.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace canaryd::control {

struct Reading {
  enum class Kind : std::uint8_t { kNone, kGood, kBad };
  Kind kind = Kind::kNone;
  std::optional<double> value;  // Of Prometheus; not with kNone.
  std::string why;              // kNone: a phrase. kBad: what makes it so.
};

// An answer to GET /api/v1/query.
[[nodiscard]] Reading read_prometheus(const client::Response& response, const config::Query& rule);
// 2xx is good. 4xx is bad, but for those that say that the question did not get through (401, 403,
// 404, 405, 407, 408, 425, 429); these and all others are none.
[[nodiscard]] Reading read_webhook(const client::Response& response);
// There was no answer, or nobody was asked.
[[nodiscard]] Reading read_failure(const Error& error);

// "0.02", "1e-9": as short as it reads back.
[[nodiscard]] std::string format_value(double value);

class ReadingRow {
 public:
  // A reading that was asked for longer ago than so many intervals is none.
  static constexpr int kIntervalsFresh = 3;

  explicit ReadingRow(Monotonic now) : began_(now), step_began_(now) {}

  // What was asked before says nothing good of the step that begins.
  void begin_step(Monotonic now) noexcept { step_began_ = now; }
  // Stable is in trouble too: what has been asked so far is not held against the canary.
  void excuse(Monotonic now) noexcept {
    excused_until_ = now;
    bad_ = 0;
  }
  void take(Reading reading, Monotonic asked, const config::Query& rule);

  [[nodiscard]] rollout::Readings level(Monotonic now, const config::Query& rule) const noexcept;
  // The newest one that is a reading, and still fresh.
  [[nodiscard]] const Reading* fresh(Monotonic now, const config::Query& rule) const noexcept;
  // Why the newest answer was none; empty if it was one, or there was none.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] std::uint32_t bad_in_a_row() const noexcept { return bad_; }
  // Since the newest reading was asked for, or since asking began.
  [[nodiscard]] Duration silence(Monotonic now) const noexcept;

 private:
  Monotonic began_;
  Monotonic step_began_;
  std::optional<Reading> last_;  // kGood or kBad.
  Monotonic last_asked_{};
  std::string failure_;
  std::uint32_t bad_ = 0;  // In a row; answers that are none do not count either way.
  std::optional<Monotonic> excused_until_;
};

}  // namespace canaryd::control
