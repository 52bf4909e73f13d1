// Taps: somebody watches requests as they finish, a sample of them, whether there is an access log
// or not.
//
// A tap belongs to one watcher. It has a filter, and for each worker a ring: the worker writes the
// JSON of the access log's line there, with the same fields and the same masking, and control takes
// it out. Nothing is locked, and nobody is waited for. The filter comes before the sample, so that
// rare requests are seen among many others: a worker writes at most kPerSecond of those that match,
// after up to kBurst at once. What does not fit that, or the ring, is counted.
//
// A worker learns which taps there are as it learns of a new table: control posts the list. While
// there is none, a request pays for one look at a pointer of its own worker.
//
// Thread rule: a TapSink belongs to one worker. Tap: drain() on the control thread; left_out() from
// any; made and destroyed anywhere. Limits: kRingBytes for each worker and tap, touched only as far
// as it is used.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/telemetry/access_record.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::telemetry {

struct TapFilter {
  std::optional<Cohort> cohort;
  std::string route;         // Name; empty: all of them, and requests without one.
  bool errors_only = false;  // With an error word, or a 5xx from us or from the upstream.

  [[nodiscard]] bool matches(const AccessRecord& record) const noexcept;
};

class Tap {
 public:
  static constexpr std::int64_t kPerSecond = 100;
  static constexpr std::int64_t kBurst = 25;
  static constexpr std::size_t kRingBytes = std::size_t{64} * 1024;

  Tap(TapFilter filter, std::size_t workers);
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;
  ~Tap();

  // Hands on what the workers have written, each object without its line feed; once round each ring
  // at most. The view is valid during the call.
  void drain(const std::function<void(std::string_view)>& take);
  // Requests that match and were not written.
  [[nodiscard]] std::uint64_t left_out() const noexcept;

 private:
  friend class TapSink;
  struct Share;

  const TapFilter filter_;
  std::vector<std::unique_ptr<Share>> shares_;  // One a worker.
};

using TapList = std::vector<std::shared_ptr<Tap>>;

class LineClock;

class TapSink {
 public:
  TapSink(std::size_t worker, const Clock& clock);
  TapSink(const TapSink&) = delete;
  TapSink& operator=(const TapSink&) = delete;
  ~TapSink();

  // Null or empty: nobody watches.
  void use(std::shared_ptr<const TapList> taps) noexcept;
  [[nodiscard]] bool on() const noexcept { return taps_ != nullptr; }
  // Only while on().
  void write(const AccessRecord& record) noexcept;

 private:
  const std::size_t worker_;
  std::unique_ptr<LineClock> clock_;
  std::shared_ptr<const TapList> taps_;
};

}  // namespace canaryd::telemetry
