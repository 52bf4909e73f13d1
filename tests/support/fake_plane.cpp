#include "support/fake_plane.hpp"

#include <utility>

namespace canaryd::test {

FakePlane::FakePlane(ControlLoop& loop) : loop_(loop) {}

std::size_t FakePlane::workers() const {
  return 2;
}

void FakePlane::publish(std::vector<proxy::WorkerSnapshot> snapshots, std::function<void()> done) {
  held = std::move(snapshots);
  did.push_back("publish");
  for (const routing::Rollout& rollout : held[0].shared->table->rollouts()) {
    served[held[0].shared->table->upstreams()[rollout.canary.index()]].push_back(
        rollout.gate->effective(rollout.weight).percent());
  }
  if (done) loop_.post(std::move(done));
}

void FakePlane::open(std::shared_ptr<const proxy::ListenerSpec> spec,
                     std::function<void(Result<SocketAddress>)> done) {
  did.push_back("open " + spec->name + " " + to_string(spec->address));
  if (taken.contains(spec->name)) {
    loop_.post([done] { done(fail(ErrorCode::kAddressInUse)); });
    return;
  }
  control::ListenerStatus status;
  status.name = spec->name;
  status.address = spec->address;
  status.active = 3;
  open_.push_back(status);
  loop_.post([done, address = spec->address] { done(address); });
}

void FakePlane::update(std::shared_ptr<const proxy::ListenerSpec> spec) {
  did.push_back("update " + spec->name);
}

void FakePlane::close(const std::string& name, const SocketAddress& configured) {
  did.push_back("close " + name + " " + to_string(configured));
  std::erase_if(open_, [&](const control::ListenerStatus& one) {
    return one.name == name && one.address == configured;
  });
}

std::vector<control::ListenerStatus> FakePlane::listeners() const {
  return open_;
}

void FakePlane::count_overdue() {
  ++overdue_counts;
}

void FakePlane::measure_lag() {
  ++lag_questions;
}

stats::DurationReading FakePlane::lag() const {
  return waited;
}

void FakePlane::tap(std::shared_ptr<const telemetry::TapList> list) {
  taps = std::move(list);
}

void FakePlane::serve(Cohort cohort, int count, int bad, Duration latency, RouteId route) {
  for (int i = 0; i < count; ++i) {
    const bool failed = i < bad;
    finish(route, cohort, i, failed ? stats::Judgement::kBad : stats::Judgement::kGood, latency);
  }
}

void FakePlane::serve_excluded(Cohort cohort, int count) {
  for (int i = 0; i < count; ++i) {
    finish(RouteId(0), cohort, i, stats::Judgement::kExcluded, kUsualLatency);
  }
}

void FakePlane::finish(
    RouteId route, Cohort cohort, int number, stats::Judgement judgement, Duration latency) {
  auto& counters = held[static_cast<std::size_t>(number % 2)].counters->at(route, cohort);
  counters.begin();
  stats::Outcome outcome;
  outcome.code_class = judgement == stats::Judgement::kBad ? 5 : 2;
  outcome.judgement = judgement;
  outcome.latency = latency;
  counters.finish(outcome);
}

}  // namespace canaryd::test
