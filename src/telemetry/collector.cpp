#include "canaryd/telemetry/collector.hpp"

#include "canaryd/base/error.hpp"
#include "canaryd/stats/dedupe.hpp"
#include "telemetry/live_set.hpp"
#include "telemetry/rollout_meter.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

namespace canaryd::telemetry {
namespace {

// Only we hold it any more. The fence pairs with the release of the holder that let go: what it
// wrote is seen.
template <class T>
bool is_left(const std::shared_ptr<T>& shared) noexcept {
  if (shared.use_count() != 1) return false;
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

struct Duplicate {
  const Layout* layout;
  stats::Failure failure;
  stats::Repeat repeat;
};

std::optional<std::uint32_t> own_of(const Layout& layout, RouteId route) {
  if (route.index() >= layout.table.routes.size()) return std::nullopt;
  return layout.table.routes[route.index()].own;
}

std::vector<bool> judged_routes(const TableLayout& table) {
  std::vector<bool> judged(table.routes.size());
  for (std::size_t i = 0; i < judged.size(); ++i) judged[i] = table.routes[i].own.has_value();
  return std::find(judged.begin(), judged.end(), true) == judged.end() ? std::vector<bool>()
                                                                       : judged;
}

}  // namespace

struct Collector::State {
  using RouteKey = std::pair<std::string, std::string>;  // Route, rollout.

  std::map<RouteKey, std::shared_ptr<RouteTotals>> routes;
  std::map<std::string, std::shared_ptr<RolloutMeter>, std::less<>> rollouts;
  std::map<std::uint64_t, std::shared_ptr<const Layout>> layouts;  // By table epoch.
  std::shared_ptr<const Layout> current;
  std::vector<LiveSet> sets;
  std::vector<std::shared_ptr<stats::FailureQueue>> queues;
  std::uint64_t dropped_by_left_queues = 0;
  std::vector<std::shared_ptr<stats::VoteQueue>> vote_queues;
  stats::DedupeTable dedupe;
  std::vector<ClosedBlock> blocks;
  std::uint32_t next_id = 0;

  void resolve(Layout& layout, std::int64_t now_second);
  void read(std::int64_t now_second);
  void read_active();
  [[nodiscard]] std::vector<Duplicate> drain_duplicates();
  void forget();
};

void Collector::State::resolve(Layout& layout, std::int64_t now_second) {
  for (const RolloutLabel& label : layout.table.rollouts) {
    auto& meter = rollouts[label.name];
    if (meter == nullptr) {
      meter = std::make_shared<RolloutMeter>(RolloutId(next_id++), label, now_second);
    } else if (auto closed = meter->change(label, now_second)) {
      blocks.push_back({label.name, *closed});
    }
    layout.meters.push_back(meter);
  }
  for (const RouteLabel& label : layout.table.routes) {
    std::string rollout;
    if (label.rollout) rollout = layout.table.rollouts.at(label.rollout->index()).name;
    auto& totals = routes[{label.name, std::move(rollout)}];
    if (totals == nullptr) totals = std::make_shared<RouteTotals>();
    layout.totals.push_back(totals);
  }
}

// Queues first and counters second: every failure popped is then in the counters read
// (failure_queue.hpp).
void Collector::State::read(std::int64_t now_second) {
  const auto duplicates = drain_duplicates();
  for (std::size_t i = 0; i < sets.size();) {
    const bool left = is_left(sets[i].set);
    read_set(sets[i], now_second);
    if (left) {
      sets.erase(sets.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  for (const auto& [layout, failure, repeat] : duplicates) {
    layout->meters[failure.rollout.index()]->add_duplicate(
        layout->table.rollouts[failure.rollout.index()],
        own_of(*layout, failure.route),
        failure.segments,
        failure.cohort,
        repeat == stats::Repeat::kRepeated ? 1 : 0);
  }
  read_active();
  forget();
}

// The sum over the sets that live; all others have none.
void Collector::State::read_active() {
  for (auto& [key, route] : routes) {
    for (auto& total : route->cohorts) {
      if (total != nullptr) total->active = total->tunnels = 0;
    }
  }
  for (const LiveSet& live : sets) {
    for (std::size_t i = 0; i < live.seen.size(); ++i) {
      for (std::size_t cohort = 0; cohort < kCohorts.size(); ++cohort) {
        if (live.seen[i][cohort] == nullptr) continue;
        stats::CounterSnapshot& total = *live.layout->totals[i]->cohorts[cohort];
        total.active += live.seen[i][cohort]->active;
        total.tunnels += live.seen[i][cohort]->tunnels;
      }
    }
  }
  std::map<std::string_view, std::array<std::int64_t, kCohortCount>> active;
  for (const auto& [key, route] : routes) {
    for (std::size_t cohort = 0; cohort < kCohorts.size(); ++cohort) {
      const auto& total = route->cohorts[cohort];
      if (total != nullptr) active[key.second][cohort] += total->active;
    }
  }
  for (const auto& [name, meter] : rollouts) {
    const auto& counts = active[name];
    meter->set_active(Cohort::kStable, counts[0]);
    meter->set_active(Cohort::kCanary, counts[1]);
  }
}

// Each worker has left out its own repeats; these are the clients that failed on two workers.
std::vector<Duplicate> Collector::State::drain_duplicates() {
  std::vector<Duplicate> duplicates;
  for (auto& queue : queues) {
    const bool left = is_left(queue);
    // No more than it held at the start, or a busy worker could keep us here.
    for (std::size_t n = 0; n < queue->capacity(); ++n) {
      const auto failure = queue->pop();
      if (!failure) break;
      const auto entry = layouts.find(failure->epoch);
      if (entry == layouts.end()) continue;
      const Layout& layout = *entry->second;
      if (failure->rollout.index() >= layout.meters.size()) continue;
      const RolloutId id = layout.meters[failure->rollout.index()]->id();
      const std::int64_t window =
          layout.table.rollouts[failure->rollout.index()].dedupe_window_seconds;
      const stats::Repeat repeat = dedupe.note(id, failure->key_hash, failure->second, window);
      if (repeat != stats::Repeat::kNone) duplicates.push_back({&layout, *failure, repeat});
    }
    if (!left) continue;
    dropped_by_left_queues += queue->dropped();
    queue = nullptr;
  }
  std::erase(queues, nullptr);
  return duplicates;
}

// Layouts no set refers to, then what no layout refers to.
void Collector::State::forget() {
  std::erase_if(layouts, [](const auto& entry) { return entry.second.use_count() == 1; });
  std::erase_if(routes, [](const auto& entry) { return entry.second.use_count() == 1; });
  std::erase_if(rollouts, [](const auto& entry) { return entry.second.use_count() == 1; });
}

Collector::Collector() : state_(std::make_unique<State>()) {}
Collector::~Collector() = default;

void Collector::begin_table(TableLayout layout, std::int64_t now_second) {
  CANARYD_ASSERT(state_->current == nullptr || layout.epoch > state_->current->table.epoch);
  state_->read(now_second);
  auto resolved = std::make_shared<Layout>();
  resolved->table = std::move(layout);
  state_->resolve(*resolved, now_second);
  state_->layouts[resolved->table.epoch] = resolved;
  state_->current = std::move(resolved);
}

std::shared_ptr<stats::CounterSet> Collector::open_set() {
  CANARYD_ASSERT(state_->current != nullptr);
  const TableLayout& table = state_->current->table;
  std::vector<std::size_t> segments;
  LiveSet live;
  for (const RolloutLabel& label : table.rollouts) {
    segments.push_back(label.segments);
    live.seen_segments.emplace_back(label.segments);
  }
  live.set = std::make_shared<stats::CounterSet>(
      table.epoch, table.routes.size(), segments, judged_routes(table));
  live.layout = state_->current;
  live.seen.resize(table.routes.size());
  live.seen_clients.resize(table.rollouts.size());
  live.seen_route_clients.resize(table.routes.size());
  state_->sets.push_back(std::move(live));
  return state_->sets.back().set;
}

std::shared_ptr<stats::FailureQueue> Collector::open_queue() {
  return state_->queues.emplace_back(
      std::make_shared<stats::FailureQueue>(stats::kFailureQueueCapacity));
}

std::shared_ptr<stats::VoteQueue> Collector::open_vote_queue() {
  return state_->vote_queues.emplace_back(
      std::make_shared<stats::VoteQueue>(stats::kVoteQueueCapacity));
}

std::vector<ReceivedVote> Collector::take_votes() {
  std::vector<ReceivedVote> votes;
  for (auto& queue : state_->vote_queues) {
    const bool left = is_left(queue);
    for (std::size_t n = 0; n < queue->capacity(); ++n) {
      const auto vote = queue->pop();
      if (!vote) break;
      const auto entry = state_->layouts.find(vote->epoch);
      if (entry == state_->layouts.end()) continue;
      const std::vector<RolloutLabel>& labels = entry->second->table.rollouts;
      if (vote->rollout.index() >= labels.size()) continue;
      const RolloutLabel& label = labels[vote->rollout.index()];
      votes.push_back({label.name, label.run, label.epoch, *vote});
    }
    if (left) queue = nullptr;
  }
  std::erase(state_->vote_queues, nullptr);
  return votes;
}

bool Collector::add_vote(std::string_view rollout,
                         std::uint64_t run,
                         std::uint64_t epoch,
                         Cohort cohort,
                         unsigned score) {
  const auto found = state_->rollouts.find(rollout);
  return found != state_->rollouts.end() && found->second->add_vote(run, epoch, cohort, score);
}

void Collector::tick(std::int64_t now_second) {
  state_->read(now_second);
  if (state_->current == nullptr) return;
  // Only those of the table in force: one that is on its way out has nobody to judge it.
  for (const auto& meter : state_->current->meters) {
    if (auto closed = meter->tick(now_second)) {
      state_->blocks.push_back({meter->label().name, *closed});
    }
  }
}

std::vector<ClosedBlock> Collector::take_blocks() {
  return std::exchange(state_->blocks, {});
}

std::optional<RolloutRates> Collector::rates(std::string_view rollout) const {
  const auto entry = state_->rollouts.find(rollout);
  if (entry == state_->rollouts.end()) return std::nullopt;
  return entry->second->rates();
}

std::optional<RolloutTraffic> Collector::traffic(std::string_view rollout) const {
  const auto entry = state_->rollouts.find(rollout);
  if (entry == state_->rollouts.end()) return std::nullopt;
  return entry->second->traffic();
}

std::vector<SeriesPoint> Collector::series(std::string_view rollout,
                                           std::size_t grain,
                                           std::int64_t since) const {
  const auto entry = state_->rollouts.find(rollout);
  if (entry == state_->rollouts.end()) return {};
  return entry->second->series(grain, since);
}

std::optional<Duration> Collector::overdue_after(std::string_view rollout) const {
  const auto entry = state_->rollouts.find(rollout);
  return entry == state_->rollouts.end() ? std::nullopt : entry->second->overdue_after();
}

std::optional<Duration> Collector::abandoned_after(std::string_view rollout) const {
  const auto entry = state_->rollouts.find(rollout);
  return entry == state_->rollouts.end() ? std::nullopt : entry->second->abandoned_after();
}

stats::LatencyCuts Collector::latency_cuts(std::string_view rollout) const {
  const auto entry = state_->rollouts.find(rollout);
  return entry == state_->rollouts.end() ? stats::LatencyCuts() : entry->second->latency_cuts();
}

std::uint64_t Collector::withheld_cookies(std::string_view rollout) const {
  const auto entry = state_->rollouts.find(rollout);
  return entry == state_->rollouts.end() ? 0 : entry->second->withheld_cookies();
}

std::uint64_t Collector::evidence_requests(std::string_view rollout, Cohort cohort) const {
  const auto entry = state_->rollouts.find(rollout);
  return entry == state_->rollouts.end() ? 0 : entry->second->evidence_requests(cohort);
}

void Collector::visit_routes(const RouteVisitor& visit) const {
  for (const auto& [key, route] : state_->routes) {
    for (const Cohort cohort : kCohorts) {
      const auto& total = route->cohorts[static_cast<std::size_t>(cohort)];
      if (total != nullptr) visit(key.first, key.second, cohort, *total);
    }
  }
}

std::uint64_t Collector::failures_dropped() const noexcept {
  std::uint64_t sum = state_->dropped_by_left_queues;
  for (const auto& queue : state_->queues) sum += queue->dropped();
  return sum;
}

std::size_t Collector::live_sets() const noexcept {
  return state_->sets.size();
}

}  // namespace canaryd::telemetry
