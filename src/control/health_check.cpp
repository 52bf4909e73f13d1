#include "control/health_check.hpp"

#include "canaryd/base/units.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace canaryd::control {
namespace {

// The longest that the first question waits.
constexpr Duration kSpreadMax = std::chrono::seconds(1);

}  // namespace

upstream::Health HealthRow::next(upstream::Health now,
                                 bool good,
                                 const config::HealthCheck& rule) noexcept {
  using upstream::Health;
  good_ = good ? good_ + 1 : 0;
  bad_ = good ? 0 : bad_ + 1;
  if (now == Health::kUnhealthy) return good_ >= rule.healthy ? Health::kHealthy : now;
  if (bad_ >= rule.unhealthy) return Health::kUnhealthy;
  return good ? Health::kHealthy : now;
}

// Callbacks hold it weakly: who is not checked any more is not asked any more.
struct HealthChecks::Check {
  std::string upstream;
  config::HealthCheck rule;
  std::shared_ptr<upstream::EndpointState> state;
  HealthRow row;
  bool asking = false;
  std::uint64_t round = 0;  // Of questions; what an earlier one has put off is void.
};

HealthChecks::HealthChecks(HealthIo* io,
                           Log& log,
                           const Clock& clock,
                           std::function<void()> changed)
    : io_(io),
      log_(log),
      clock_(clock),
      changed_(std::move(changed)),
      random_(static_cast<std::uint64_t>(clock.now().time_since_epoch().count())) {}

HealthChecks::~HealthChecks() = default;

void HealthChecks::update(const std::vector<config::Upstream>& upstreams,
                          const UpstreamRegistry& registry) {
  if (io_ == nullptr) return;
  std::vector<CheckPointer> next;
  for (const config::Upstream& upstream : upstreams) {
    const UpstreamEntry* const entry = registry.find(upstream.name);
    if (entry == nullptr || !upstream.health_check) continue;
    for (const EndpointEntry& endpoint : entry->endpoints) {
      CheckPointer check = take(endpoint);
      const bool fresh = check->upstream.empty();
      // Else the next question would come when the long interval is over.
      const bool sooner = upstream.health_check->interval < check->rule.interval;
      check->upstream = upstream.name;
      check->rule = *upstream.health_check;
      if (fresh || sooner) begin(check);
      next.push_back(std::move(check));
    }
  }
  for (const CheckPointer& gone : checks_) {
    if (gone != nullptr) forget(*gone, registry);
  }
  checks_ = std::move(next);
}

// Nobody asks it any more, so nothing is known of it. One that is no endpoint any more stays as it
// was: a request under the table before must not be sent to one that is known to be down. Should
// it come back, its state is a new one.
void HealthChecks::forget(const Check& check, const UpstreamRegistry& registry) {
  const UpstreamEntry* const entry = registry.find(check.upstream);
  if (entry == nullptr || !entry->has(*check.state)) return;
  check.state->set_health(upstream::Health::kUnknown, clock_.now());
}

// The check that the endpoint has already, or a new one.
HealthChecks::CheckPointer HealthChecks::take(const EndpointEntry& endpoint) {
  for (CheckPointer& each : checks_) {
    if (each != nullptr && each->state == endpoint.state) return std::exchange(each, nullptr);
  }
  auto check = std::make_shared<Check>();
  check->state = endpoint.state;
  return check;
}

void HealthChecks::begin(const CheckPointer& check) {
  ++check->round;
  const Duration most = std::min(check->rule.interval, kSpreadMax);
  ask_after(check, Duration(random_.below(static_cast<std::uint64_t>(most.count()))));
}

void HealthChecks::ask_after(const CheckPointer& check, Duration wait) {
  io_->call_after(wait, [this, weak = std::weak_ptr(check), round = check->round] {
    const CheckPointer same = weak.lock();
    if (same != nullptr && same->round == round) ask(same);
  });
}

// The next one is due an interval after this one began; `timeout` is no longer than that.
void HealthChecks::ask(const CheckPointer& check) {
  ask_after(check, check->rule.interval);
  if (std::exchange(check->asking, true)) return;
  HealthQuestion question{check->state->address(), check->rule.path, check->rule.timeout};
  auto done = [this, weak = std::weak_ptr(check)](const HealthAnswer& answer) {
    if (const CheckPointer same = weak.lock()) answered(*same, answer);
  };
  io_->ask(std::move(question), std::move(done));
}

void HealthChecks::answered(Check& check, const HealthAnswer& answer) {
  check.asking = false;
  if (answer.kind == HealthAnswer::Kind::kNone) return;
  const upstream::Health before = check.state->health();
  const bool good = answer.kind == HealthAnswer::Kind::kGood;
  const upstream::Health after = check.row.next(before, good, check.rule);
  if (after == before) return;
  check.state->set_health(after, clock_.now());
  tell(check, before, answer.why);
  changed_();
}

void HealthChecks::tell(const Check& check, upstream::Health before, const std::string& why) const {
  const std::string address = to_string(check.state->address());
  const std::string who = "endpoint " + address + " of " + check.upstream;
  const std::initializer_list<LogField> fields{
      {"upstream", check.upstream}, {"endpoint", address}, {"healthy", check.state->healthy()}};
  if (!check.state->healthy()) {
    log_.warn(log_event::kEndpointHealth,
              who + " is unhealthy: " + std::to_string(check.rule.unhealthy) +
                  " checks in a row failed, the last one by " + why,
              fields);
  } else if (before == upstream::Health::kUnhealthy) {
    log_.info(log_event::kEndpointHealth, who + " is healthy again", fields);
  }
}

}  // namespace canaryd::control
