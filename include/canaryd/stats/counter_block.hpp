// What one worker counts for one (table epoch, route, cohort).
//
// An exchange counts in the block of the table it pinned. Whoever merges blocks decides by epoch:
// requests that end in the block of an older table are traffic (Prometheus), not evidence
// (analysis).
//
// Two kinds of figures, kept apart so that neither has to be repaired afterwards:
//   traffic   every request: code class, bytes, duration, active; and the tunnels that are open;
//   evidence  `judged` requests and the `bad` ones among them. A failure of a client that failed
//   already inside the
//             dedupe window is in neither (it counts in `deduped`, and the first few as `repeated`
//             as well), and neither is a request that
//             the analysis leaves out (forced, segment, excluded path, client gone: `excluded`). So
//             requests = judged + deduped + excluded.
//
// A block of the shadow cohort counts the copies that were sent, none of them evidence, and beside
// them what became of each request that was chosen for a copy.
//
// Durations are two histograms: `latency` of the judged requests that did not fail (evidence), and
// `latency_other` of all the rest (those that their clients left, too). Their sum is what
// Prometheus shows, its bounds derived by Histogram::at_most (2.5 % at the bounds).
//
// A request that is under way for longer than anything latency is judged by is slow, however it
// will end: the worker counts it in `overdue` then, once, and when it ends without a failure in
// `overdue_ended` as well, because it is in `latency` from there on. So the latency evidence is
// latency + overdue - overdue_ended, in which every request is at most once (latency.hpp).
//
// Whether latency is judged or not, a request that hangs (hangs_after() in latency.hpp) is counted
// in `hung` when it is seen to, and in `hung_settled` once it does not any more: it goes on, has
// been answered, or has failed. What its client has given up stays: how it would have ended nobody
// knows.
//
// Thread rule: one writer, which only loads and stores (no read-modify-write); any thread may read.
// A reading is not a cut through time: a request that is being recorded may show in part, the rest
// of it in the next reading. Size: 5.6 KB; make blocks for the routes of the table, never for
// anything a client can name.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/stats/histogram.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canaryd::stats {

// What a finished request means for the analysis.
enum class Judgement : std::uint8_t {
  kGood,
  kLeft,       // The same, but its client left it: how long it would have taken nobody knows.
  kBad,        // A failure charged to the cohort.
  kDuplicate,  // The same, but its client failed already inside the dedupe window;
  kRepeat,     // and this one is told apart (dedupe.hpp).
  kExcluded,   // Traffic only.
};

// What became of a canary failure that stable was asked to answer. The request counts for the
// canary alone, whose failure it is.
enum class Fallback : std::uint8_t {
  kNone,
  kSaved,   // Stable answered: the user saw no failure.
  kFailed,  // Stable failed as well.
  kLeft,    // The client did not wait for it.
};

// What became of a request that was chosen for a copy to the route's mirror.
enum class Mirrored : std::uint8_t {
  kAnswered,    // Sent, and the whole answer came, whatever it was.
  kFailed,      // There was no endpoint, no connection, or no whole answer.
  kTimeout,     // No whole answer in time.
  kTooLarge,    // Not sent: its body is longer than a copy may be.
  kIncomplete,  // Not sent: the request itself was not forwarded whole.
  kBusy,        // Not sent: too many are under way, or what they need is scarce.
};
inline constexpr std::size_t kMirroredCount = 6;
// The word in metrics: "answered", "body_too_large".
[[nodiscard]] std::string_view to_string(Mirrored result) noexcept;

// Why a version did not answer, or not to the end.
enum class UpstreamError : std::uint8_t {
  kNone,
  kConnectFailed,
  kReset,
  kProtocol,
  kNoHealthyEndpoint,
  kTimeout,
};
inline constexpr std::size_t kUpstreamErrorCount = 6;
// The word of the error in logs and metrics: "upstream_reset"; empty for none.
[[nodiscard]] std::string_view to_string(UpstreamError error) noexcept;

// One finished request.
struct Outcome {
  std::uint8_t code_class = 0;  // 1 to 5; 0 when there was no status.
  Judgement judgement = Judgement::kGood;
  Fallback fallback = Fallback::kNone;
  UpstreamError error = UpstreamError::kNone;  // Of the version that is charged.
  bool overdue = false;                        // It was counted by count_overdue().
  Duration latency{};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

// A reading: plain values that can be added and subtracted.
struct CounterSnapshot {
  std::array<std::uint64_t, 6> code_class{};             // Index 0: no status.
  std::array<std::uint64_t, kMirroredCount> mirrored{};  // Index: Mirrored.
  // Of all requests, evidence or not. Index: UpstreamError.
  std::array<std::uint64_t, kUpstreamErrorCount> upstream_errors{};
  std::uint64_t judged = 0;
  std::uint64_t bad = 0;
  std::uint64_t client_errors = 0;  // Judged, not bad, and answered 4xx.
  std::uint64_t overdue = 0;
  std::uint64_t overdue_ended = 0;
  std::uint64_t abandoned = 0;
  std::uint64_t hung = 0;
  std::uint64_t hung_settled = 0;
  std::uint64_t deduped = 0;
  std::uint64_t repeated = 0;  // Of those.
  std::uint64_t excluded = 0;
  std::uint64_t saved = 0;             // Fallbacks that stable answered,
  std::uint64_t fallback_failed = 0;   // and that it failed.
  std::uint64_t user_failures = 0;     // Charged failures that reached a user, duplicates too.
  std::uint64_t withheld_cookies = 0;  // Issued, but not set: a shared cache may store the answer.
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t duration_us = 0;  // Sum over all requests.
  std::int64_t active = 0;        // Gauges: since() keeps the later value.
  std::int64_t tunnels = 0;       // Their handshakes have finished and are counted as requests.
  Histogram latency;
  Histogram latency_other;

  [[nodiscard]] std::uint64_t requests() const noexcept;
  [[nodiscard]] Histogram durations() const noexcept;

  CounterSnapshot& operator+=(const CounterSnapshot& other) noexcept;
  // What came since an earlier reading of the same blocks. A counter never goes below 0.
  [[nodiscard]] CounterSnapshot since(const CounterSnapshot& earlier) const noexcept;

  friend bool operator==(const CounterSnapshot&, const CounterSnapshot&) = default;
};

class alignas(64) CounterBlock {
 public:
  CounterBlock() = default;
  CounterBlock(const CounterBlock&) = delete;
  CounterBlock& operator=(const CounterBlock&) = delete;

  // Each begin() is followed by exactly one finish(), on the same block.
  void begin() noexcept { bump(active_, 1); }
  void finish(const Outcome& outcome) noexcept;
  // A request that was begun here is under way for so long that it is slow whatever becomes of it.
  void count_overdue() noexcept { bump(overdue_, 1); }
  // Its client has gone, and it was slow by then; it is not overdue.
  void count_abandoned() noexcept { bump(abandoned_, 1); }
  void count_hung() noexcept { bump(hung_, 1); }
  void count_hung_settled() noexcept { bump(hung_settled_, 1); }
  void count_withheld_cookie() noexcept { bump(withheld_cookies_, 1); }
  void count(Mirrored result) noexcept { bump(mirrored_[static_cast<std::size_t>(result)], 1); }
  // A tunnel is open, and has ended.
  void begin_tunnel() noexcept { bump(tunnels_, 1); }
  void end_tunnel(std::uint64_t bytes_in, std::uint64_t bytes_out) noexcept {
    bump(tunnels_, ~std::uint64_t{0});
    bump(bytes_in_, bytes_in);
    bump(bytes_out_, bytes_out);
  }

  [[nodiscard]] CounterSnapshot read() const noexcept;

 private:
  using Counter = std::atomic<std::uint64_t>;

  static void bump(Counter& counter, std::uint64_t by) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  // What every request touches comes first, in one or two cache lines.
  std::array<Counter, 6> code_class_{};
  Counter active_{0};  // Wraps on purpose; read as signed.
  Counter judged_{0};
  Counter duration_us_{0};
  Counter bytes_in_{0};
  Counter bytes_out_{0};
  Counter bad_{0};
  Counter client_errors_{0};
  Counter overdue_{0};
  Counter overdue_ended_{0};
  Counter abandoned_{0};
  Counter hung_{0};
  Counter hung_settled_{0};
  Counter deduped_{0};
  Counter repeated_{0};
  Counter excluded_{0};
  Counter saved_{0};
  Counter tunnels_{0};  // Wraps on purpose; read as signed.
  Counter fallback_failed_{0};
  Counter user_failures_{0};
  Counter withheld_cookies_{0};
  std::array<Counter, kMirroredCount> mirrored_{};
  std::array<Counter, kUpstreamErrorCount> upstream_errors_{};
  std::array<Counter, kLatencyBuckets> latency_{};
  std::array<Counter, kLatencyBuckets> latency_other_{};
};

inline void CounterBlock::finish(const Outcome& outcome) noexcept {
  bump(active_, ~std::uint64_t{0});
  bump(code_class_[outcome.code_class < 6 ? outcome.code_class : 0], 1);
  const auto nanoseconds =
      outcome.latency.count() < 0 ? 0 : static_cast<std::uint64_t>(outcome.latency.count());
  bump(duration_us_, (nanoseconds + 500) / 1000);
  bump(bytes_in_, outcome.bytes_in);
  bump(bytes_out_, outcome.bytes_out);
  const std::size_t bucket = latency_bucket(outcome.latency);
  if (outcome.fallback != Fallback::kNone) [[unlikely]] {
    if (outcome.fallback == Fallback::kSaved) bump(saved_, 1);
    if (outcome.fallback == Fallback::kFailed) bump(fallback_failed_, 1);
  }
  if (outcome.error != UpstreamError::kNone) [[unlikely]]
    bump(upstream_errors_[static_cast<std::size_t>(outcome.error)], 1);
  if (outcome.judgement == Judgement::kGood) [[likely]] {
    bump(judged_, 1);
    bump(latency_[bucket], 1);
    if (outcome.code_class == 4) [[unlikely]]
      bump(client_errors_, 1);
    if (outcome.overdue) [[unlikely]]
      bump(overdue_ended_, 1);
    return;
  }
  bump(latency_other_[bucket], 1);
  switch (outcome.judgement) {
    case Judgement::kLeft:
      bump(judged_, 1);
      if (outcome.code_class == 4) bump(client_errors_, 1);
      return;
    case Judgement::kBad:
      bump(judged_, 1);
      bump(bad_, 1);
      break;
    case Judgement::kRepeat:
      bump(repeated_, 1);
      [[fallthrough]];
    case Judgement::kDuplicate:
      bump(deduped_, 1);
      break;
    case Judgement::kExcluded:
    case Judgement::kGood:
      bump(excluded_, 1);
      return;
  }
  if (outcome.fallback == Fallback::kNone || outcome.fallback == Fallback::kFailed) {
    bump(user_failures_, 1);
  }
}

}  // namespace canaryd::stats
