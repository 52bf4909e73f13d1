#include "component/proxy_world.hpp"

#include <utility>

namespace canaryd::test {
namespace {

upstream::UpstreamSpec upstream_spec(std::string name, const net::Address& address) {
  upstream::UpstreamSpec spec;
  spec.name = std::move(name);
  spec.endpoints = {address};
  return spec;
}

}  // namespace

ProxyWorld::ProxyWorld(std::uint64_t seed,
                       net::BufferPools::Limits buffers,
                       std::shared_ptr<telemetry::AccessSink> access_in)
    : net(seed),
      worker(net, buffers),
      listener_counters(std::make_shared<proxy::ListenerCounters>()),
      listener_gauge(std::make_shared<proxy::ListenerGauge>()),
      failure_queue(std::make_shared<stats::FailureQueue>(64)),
      vote_queue(std::make_shared<stats::VoteQueue>(stats::kVoteQueueCapacity)),
      access(std::move(access_in)) {
  listener.name = "public";
  listener.address = kFront;
  upstreams = {upstream_spec("stable", kStable), upstream_spec("canary", kCanary)};
  routing::RouteSpec route;
  route.name = "all";
  route.target = UpstreamId(0);
  table.routes.push_back(route);
  for (std::size_t status = 500; status < 600; ++status) failures.status.set(status);
  proxy::ServiceOptions options;
  options.clock = &clock;
  options.failures = failure_queue;
  options.votes = vote_queue;
  options.access = access;
  options.tap = tap = std::make_shared<telemetry::TapSink>(0, clock);
  service = std::make_unique<proxy::Service>(worker, std::move(options));
}

ProxyWorld::~ProxyWorld() = default;

void ProxyWorld::split(unsigned weight_basis_points) {
  routing::RolloutSpec spec;
  spec.name = "web";
  spec.stable = UpstreamId(0);
  spec.canary = UpstreamId(1);
  spec.traffic = routing::Traffic::kSplit;
  spec.weight = BasisPoints(weight_basis_points);
  spec.sticky.sources = {{routing::KeySource::kHeader, "X-User"}};
  spec.force.header = "X-Canary";
  spec.force.trusted_only = false;
  spec.generation = 1;
  spec.gate = gate;
  gate->begin(1, BasisPoints(BasisPoints::kMax));
  table.rollouts = {spec};
  table.routes.front().target = RolloutId(0);
}

void ProxyWorld::publish() {
  ++table.epoch;
  auto shared = std::make_shared<proxy::Snapshot>();
  proxy::WorkerSnapshot snapshot;
  routing::TableSpec spec = table;
  for (const upstream::UpstreamSpec& each : upstreams) {
    spec.upstreams.push_back(each.name);
    upstream::UpstreamShare& share = shares_[each.name];
    share = make_share(each, share);
    all_shares_.push_back(share);
    snapshot.upstreams.push_back(share);
  }
  const bool by_user = std::any_of(upstreams.begin(), upstreams.end(), [](const auto& each) {
    return each.load_balancer == upstream::LoadBalancer::kConsistentHash;
  });
  for (routing::RolloutSpec& each : spec.rollouts) each.balances_users = by_user;
  auto built = routing::RoutingTable::build(std::move(spec));
  ASSERT_TRUE(built.has_value()) << describe(built.error());
  shared->table = *built;
  shared->upstreams = upstreams;
  shared->access = access_policy;
  shared->tags.assign(table.rollouts.size(), {2, "r7"});
  shared->failures.assign(table.rollouts.size(), failures);
  shared->route_timeouts = route_timeouts;
  shared->mirrors = mirrors;
  shared->parities = parities;
  snapshot.parity = parity_queue;
  shared->rules = rules;
  shared->watches = watches;
  snapshot.counters =
      std::make_shared<stats::CounterSet>(table.epoch, (*built)->routes().size(), segments);
  counter_sets_.push_back(snapshot.counters);
  if (stable_use != nullptr) snapshot.stable_uses.assign(table.rollouts.size(), stable_use);
  snapshot.shared = std::move(shared);
  service->publish(std::move(snapshot));
}

void ProxyWorld::open() {
  proxy::OpenListener opening;
  opening.spec = std::make_shared<proxy::ListenerSpec>(listener);
  opening.counters = listener_counters;
  opening.gauge = listener_gauge;
  const auto opened = service->open(std::move(opening));
  ASSERT_TRUE(opened.has_value()) << describe(opened.error());
}

stats::CounterSnapshot ProxyWorld::counters(Cohort cohort, std::uint32_t route) const {
  stats::CounterSnapshot sum;
  for (const auto& set : counter_sets_) {
    if (route >= set->routes()) continue;
    if (const auto* block = set->find(RouteId(route), cohort)) {
      sum += block->read();
    }
  }
  return sum;
}

stats::SegmentReading ProxyWorld::segment(std::size_t segment, Cohort cohort) const {
  const auto* const counters = counter_sets_.back()->segment(RolloutId(0), segment);
  std::uint64_t judged = 0;
  std::uint64_t bad = 0;
  for (std::size_t group = 0; group < stats::kClientGroups; ++group) {
    judged += counters->read(cohort, group).judged_since({});
    bad += counters->read(cohort, group).bad_since({});
  }
  return {judged, bad};
}

std::uint64_t ProxyWorld::errors(ProxyError error) const {
  return listener_counters->errors[static_cast<std::size_t>(error)].load();
}

upstream::UpstreamCounters& ProxyWorld::upstream(std::string_view name) {
  return *shares_.find(name)->second.counters;
}

upstream::ConcurrencyLimit& ProxyWorld::limit(std::string_view name) {
  return *shares_.find(name)->second.limit;
}

upstream::EndpointState& ProxyWorld::endpoint(std::string_view name, std::size_t index) {
  return *shares_.find(name)->second.endpoints[index].state;
}

void ProxyWorld::finish() {
  // By now the test's peers are gone; what is still under way runs into its timeout.
  net.run_until(
      [this] { return service->connections() == 0 && counters(Cohort::kShadow).active == 0; });
  net.run_ready();
  EXPECT_EQ(service->connections(), 0U);
  EXPECT_EQ(listener_gauge->active.load(), 0);
  EXPECT_EQ(worker.buffers().small.on_loan(), 0U);
  EXPECT_EQ(worker.buffers().medium.on_loan(), 0U);
  EXPECT_EQ(worker.buffers().large.on_loan(), 0U);
  EXPECT_EQ(worker.buffers().exact.on_loan(), 0U);
  for (const auto& set : counter_sets_) {
    for (std::uint32_t route = 0; route < set->routes(); ++route) {
      for (const Cohort cohort :
           {Cohort::kStable, Cohort::kCanary, Cohort::kNone, Cohort::kShadow}) {
        const auto* block = set->find(RouteId(route), cohort);
        if (block == nullptr) continue;
        const stats::CounterSnapshot read = block->read();
        EXPECT_EQ(read.active, 0);
        EXPECT_EQ(read.tunnels, 0);
        std::uint64_t classes = 0;
        for (const std::uint64_t each : read.code_class) classes += each;
        EXPECT_EQ(classes, read.judged + read.deduped + read.excluded);
      }
    }
  }
  for (const upstream::UpstreamShare& share : all_shares_) {
    EXPECT_EQ(share.counters->busy.load(), 0U);
    if (share.limit != nullptr) {
      EXPECT_EQ(share.limit->active(), 0U);
      EXPECT_EQ(share.limit->queued(), 0U);
    }
    for (const upstream::EndpointShare& endpoint : share.endpoints) {
      EXPECT_EQ(endpoint.counters->active_requests.load(), 0U);
    }
  }
}

Message Client::read(BodyRule rule) {
  std::optional<Message> message;
  world_.net.run_until([&] {
    text_ += peer.take();
    message = take_message(text_, rule, peer.ended());
    return message.has_value();
  });
  if (message) return *message;
  std::string rest = std::exchange(text_, {});
  return take_message(rest, rule, true).value_or(Message{});
}

Backend::Backend(ProxyWorld& world, const net::Address& address, Answer answer)
    : server(world.net, address) {
  server.on_data([this, answer = std::move(answer)](SimPeer& peer) {
    std::string& text = texts_[&peer];
    text += peer.take();
    while (auto request = take_message(text, BodyRule::kRequest)) {
      requests.push_back(*request);
      const std::string response = answer(*request);
      if (!response.empty()) peer.send(response);
    }
  });
}

std::string get(std::string_view path, std::string_view fields) {
  std::string text = "GET ";
  text += path;
  text += " HTTP/1.1\r\nHost: a\r\n";
  text += fields;
  return text + "\r\n";
}

std::string post(std::string_view body, std::string_view fields) {
  std::string text =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += fields;
  text += "\r\n";
  text += body;
  return text;
}

}  // namespace canaryd::test
