// What has happened to the rollouts, for those that follow it: the newest events are kept, so that
// a follower who was away can go on where it was. Private to the room. Thread rule: the control
// thread. Limits: kKept events.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/control/backend.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace canaryd::control {

class EventLog {
 public:
  static constexpr std::size_t kKept = 500;

  // Ids grow over restarts too: the first is the time, in microseconds, and nothing happens so
  // often that the clock is caught up with.
  explicit EventLog(WallTime started);

  // Kept, under the next id.
  void add(ControlEvent::What what);
  // One metric of a rollout, each time it has been judged; an event if its verdict has changed.
  void judge(const std::string& rollout, const MetricView& metric);
  // judge() would make one of it.
  [[nodiscard]] bool is_news(std::string_view rollout,
                             std::string_view metric,
                             std::string_view verdict) const;
  // Of now: to those who follow, under the last id, so that they can go on from there.
  void show(const RolloutView& sample) const;
  [[nodiscard]] bool followed() const noexcept;

  // See Backend::events().
  [[nodiscard]] std::unique_ptr<Subscription> follow(std::optional<std::uint64_t> after,
                                                     ControlSink sink);

 private:
  struct Followers;
  class Handle;
  void replay(std::uint64_t after, const ControlSink& sink) const;

  std::uint64_t last_id_;
  std::deque<ControlEvent> kept_;
  using Verdicts = std::map<std::string, std::string, std::less<>>;  // By metric.
  std::map<std::string, Verdicts, std::less<>> verdicts_;            // By rollout.
  std::shared_ptr<Followers> followers_;
};

}  // namespace canaryd::control
