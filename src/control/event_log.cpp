#include "control/event_log.hpp"

#include <utility>

namespace canaryd::control {

struct EventLog::Followers {
  std::map<std::uint64_t, ControlSink> sinks;
  std::uint64_t next = 0;
};

class EventLog::Handle final : public Subscription {
 public:
  Handle(const std::shared_ptr<Followers>& followers, std::uint64_t number)
      : followers_(followers), number_(number) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() override {
    if (const auto followers = followers_.lock()) followers->sinks.erase(number_);
  }

 private:
  std::weak_ptr<Followers> followers_;
  std::uint64_t number_;
};

EventLog::EventLog(WallTime started)
    : last_id_(static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(started.time_since_epoch())
              .count())),
      followers_(std::make_shared<Followers>()) {}

void EventLog::add(ControlEvent::What what) {
  ControlEvent event;
  event.id = ++last_id_;
  event.what = std::move(what);
  for (const auto& [number, sink] : followers_->sinks) sink(event);
  kept_.push_back(std::move(event));
  if (kept_.size() > kKept) kept_.pop_front();
}

void EventLog::judge(const std::string& rollout, const MetricView& metric) {
  // What was never judged before was open.
  std::string& last = verdicts_[rollout].try_emplace(metric.metric, "open").first->second;
  if (last == metric.verdict) return;
  last = metric.verdict;
  add(VerdictView{rollout, metric});
}

bool EventLog::is_news(std::string_view rollout,
                       std::string_view metric,
                       std::string_view verdict) const {
  const auto known = verdicts_.find(rollout);
  if (known == verdicts_.end()) return verdict != "open";
  const auto last = known->second.find(metric);
  return verdict != (last == known->second.end() ? "open" : last->second);
}

void EventLog::show(const RolloutView& sample) const {
  ControlEvent event;
  event.id = last_id_;
  event.what = sample;
  for (const auto& [number, sink] : followers_->sinks) sink(event);
}

bool EventLog::followed() const noexcept {
  return !followers_->sinks.empty();
}

std::unique_ptr<Subscription> EventLog::follow(std::optional<std::uint64_t> after,
                                               ControlSink sink) {
  if (after) replay(*after, sink);
  const std::uint64_t number = followers_->next++;
  followers_->sinks.emplace(number, std::move(sink));
  return std::make_unique<Handle>(followers_, number);
}

void EventLog::replay(std::uint64_t after, const ControlSink& sink) const {
  const std::uint64_t oldest = kept_.empty() ? last_id_ + 1 : kept_.front().id;
  // What came before the oldest is forgotten, or happened to an earlier process; an id of the
  // future is from a clock that was ahead. Who has been told has the id of what follows from, so
  // that he is not told again if nothing more comes before he is cut off.
  if (after + 1 < oldest || after > last_id_) sink({oldest - 1, EventsMissed{after}});
  for (const ControlEvent& event : kept_) {
    if (event.id > after || after > last_id_) sink(event);
  }
}

}  // namespace canaryd::control
