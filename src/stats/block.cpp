#include "canaryd/stats/block.hpp"

#include "canaryd/stats/client_contrast.hpp"

#include <algorithm>

namespace canaryd::stats {
namespace {

// A duplicate was counted as a request and as a failure; both go. What is not here yet stays owed.
void take_out(CohortCounts& counts, std::uint64_t& owed) noexcept {
  const std::uint64_t now = std::min({owed, counts.n, counts.bad});
  counts.n -= now;
  counts.bad -= now;
  owed -= now;
}

// A worker counts a request first, then that it failed, and is read meanwhile: what came without
// its request waits for it.
CohortCounts take_excess(CohortCounts& counts) noexcept {
  CohortCounts excess;
  excess.bad = counts.bad - std::min(counts.bad, counts.n);
  counts.bad -= excess.bad;
  excess.client_errors =
      counts.client_errors - std::min(counts.client_errors, counts.n - counts.bad);
  counts.client_errors -= excess.client_errors;
  return excess;
}

std::uint32_t seconds_between(std::int64_t begin, std::int64_t end) noexcept {
  constexpr std::int64_t kMost = UINT32_MAX;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(end - begin, 0, kMost));
}

template <class Builder>
bool is_complete(const Builder& builder, std::int64_t now_second) noexcept {
  return builder.complete() || now_second - builder.start_second() >= BlockBuilder::kMaxOpenSeconds;
}

// Adds what is complete, or all with `with_open`, as far as it can be compared.
template <class Builder, class Part>
void take_parts(std::vector<Builder>& builders,
                const std::vector<KnownClients>& clients,
                std::int64_t now_second,
                bool with_open,
                std::vector<Part>& out) {
  for (std::size_t i = 0; i < builders.size(); ++i) {
    if (!with_open && !is_complete(builders[i], now_second)) continue;
    const Comparison counts = builders[i].take(now_second);
    if (!counts.comparable()) continue;
    out.push_back({static_cast<std::uint32_t>(i), counts, clients[i].now()});
  }
}

void recall_each(const std::vector<ClientSpread>& known, std::vector<KnownClients>& to) noexcept {
  for (std::size_t i = 0; i < std::min(known.size(), to.size()); ++i) to[i].recall(known[i]);
}

// As if no failure had been left out.
CohortCounts with_repetitions(CohortCounts counts) noexcept {
  counts.n += counts.deduped;
  counts.bad += counts.deduped;
  counts.repeats = counts.deduped = 0;
  return counts;
}

}  // namespace

// ---- One comparison

void CountsBuilder::add(Cohort cohort, CohortCounts counts) noexcept {
  if (!is_version(cohort)) return;
  CohortCounts& mine = cohort == Cohort::kCanary ? open_.canary : open_.stable;
  mine.n += counts.n;
  mine.bad += counts.bad;
  mine.client_errors += counts.client_errors;
  mine.repeats += counts.repeats;
}

void ComparisonBuilder::add(Cohort cohort, const Histogram& latency, Overdue overdue) noexcept {
  if (!is_version(cohort)) return;
  cohort == Cohort::kCanary ? latency_.add_canary(latency, overdue)
                            : latency_.add_stable(latency, overdue);
}

void CountsBuilder::add_duplicates(Cohort cohort,
                                   std::uint64_t count,
                                   std::uint64_t repeats) noexcept {
  if (!is_version(cohort)) return;
  const bool canary = cohort == Cohort::kCanary;
  (canary ? canary_duplicates_ : stable_duplicates_) += count;
  (canary ? open_.canary : open_.stable).repeats += repeats;
}

void CountsBuilder::forget_owed() noexcept {
  stable_duplicates_ = canary_duplicates_ = 0;
  open_ = {};
}

void CountsBuilder::settle() noexcept {
  take_out(open_.stable, stable_duplicates_);
  take_out(open_.canary, canary_duplicates_);
}

Comparison CountsBuilder::take(std::int64_t now_second) {
  Comparison closed = open_;
  closed.seconds = seconds_between(start_second_, now_second);
  open_ = {};
  open_.stable = take_excess(closed.stable);
  open_.canary = take_excess(closed.canary);
  start_second_ = std::max(now_second, start_second_);
  return closed;
}

void ComparisonBuilder::settle(std::int64_t now_second) noexcept {
  if (open().canary.n > 0 || latency_.canary_hangs()) latency_.canary_came(now_second);
  CountsBuilder::settle();
}

Comparison ComparisonBuilder::take(std::int64_t now_second) {
  return close(latency_.close(start_second(), now_second), now_second);
}

Comparison ComparisonBuilder::take_by_limits(std::int64_t now_second) {
  return close(latency_.close_by_limits(start_second()), now_second);
}

Comparison ComparisonBuilder::close(LatencyCounts latency, std::int64_t now_second) {
  Comparison closed = CountsBuilder::take(now_second);
  closed.latency = latency;
  return closed;
}

void KnownClients::recall(const ClientSpread& known) noexcept {
  recalled_ = known;
  for (std::uint32_t& effect : recalled_.effect) {
    if (effect == kNoDivision) effect = 0;
  }
  now_ = recalled_;
}

// ---- Blocks

BlockBuilder::BlockBuilder(std::int64_t now_second, std::uint64_t epoch, std::uint32_t step)
    : epoch_(epoch), step_(step), all_(now_second), votes_second_(now_second) {}

void BlockBuilder::set_latency_rules(const LatencyRules& rules) noexcept {
  rules_ = rules;
  all_.latency().set_rules(rules);
  if (!rules.limited) limits_.reset();
  if (rules.limited && !limits_) limits_.emplace(all_.start_second());
  if (limits_) limits_->latency().set_rules(rules);
  for (ComparisonBuilder& route : routes_) route.latency().set_rules(rules);
}

void BlockBuilder::add(Cohort cohort, CohortCounts counts) noexcept {
  all_.add(cohort, all_failures_ ? with_repetitions(counts) : counts);
  if (!limits_) return;
  // A limit is a share of the requests, whoever sent them. Not of stable, whose part it is to
  // excuse the canary: one client that fails there again and again would do so for ever.
  if (cohort == Cohort::kCanary) counts = with_repetitions(counts);
  counts.repeats = 0;
  limits_->add(cohort, counts);
}

void BlockBuilder::add(Cohort cohort,
                       CohortCounts counts,
                       const Histogram& latency,
                       Overdue overdue) noexcept {
  add(cohort, counts);
  // What was counted before a reload had latency judged no longer.
  if (!judges_latency()) overdue = {};
  all_.add(cohort, latency, overdue);
  if (limits_) limits_->add(cohort, latency, overdue);
}

void BlockBuilder::add_duplicates(Cohort cohort,
                                  std::uint64_t count,
                                  std::uint64_t repeats) noexcept {
  if (!all_failures_) all_.add_duplicates(cohort, count, repeats);
  if (limits_ && cohort == Cohort::kStable) limits_->add_duplicates(cohort, count, 0);
}

void BlockBuilder::begin_run(std::size_t routes, std::size_t segments) {
  all_.latency().begin_run();
  if (limits_) limits_->latency().begin_run();
  if (routes != routes_.size()) {
    routes_.assign(routes, ComparisonBuilder(all_.start_second()));
    for (ComparisonBuilder& route : routes_) route.latency().set_rules(rules_);
  }
  for (ComparisonBuilder& route : routes_) route.latency().begin_run();
  segments_.assign(segments, CountsBuilder(all_.start_second()));
  clients_ = {};
  route_clients_.assign(routes, {});
  segment_clients_.assign(segments, {});
  all_failures_ = false;
}

void BlockBuilder::recall(const KnownLatency& known) noexcept {
  all_.latency().recall(known.all, all_.start_second());
  for (std::size_t i = 0; i < std::min(routes_.size(), known.routes.size()); ++i) {
    routes_[i].latency().recall(known.routes[i], routes_[i].start_second());
  }
  clients_.recall(known.clients);
  recall_each(known.route_clients, route_clients_);
  recall_each(known.segment_clients, segment_clients_);
}

void BlockBuilder::set_clients(const ClientSpread& clients, bool all_failures) noexcept {
  all_failures_ = all_failures;
  clients_.set(clients);
}

void BlockBuilder::set_route_clients(std::size_t route, const ClientSpread& clients) noexcept {
  if (route < route_clients_.size()) route_clients_[route].set(clients);
}

void BlockBuilder::set_segment_clients(std::size_t segment, const ClientSpread& clients) noexcept {
  if (segment < segment_clients_.size()) segment_clients_[segment].set(clients);
}

void BlockBuilder::add_route(std::size_t route,
                             Cohort cohort,
                             CohortCounts counts,
                             const Histogram& latency,
                             Overdue overdue) noexcept {
  if (route >= routes_.size()) return;
  routes_[route].add(cohort, all_failures_ ? with_repetitions(counts) : counts);
  routes_[route].add(cohort, latency, judges_latency() ? overdue : Overdue{});
}

void BlockBuilder::add_route_past(std::size_t route, const Histogram& stable) noexcept {
  if (route < routes_.size()) routes_[route].latency().add_past(stable);
}

void BlockBuilder::add_route_duplicates(std::size_t route,
                                        Cohort cohort,
                                        std::uint64_t count) noexcept {
  if (all_failures_ || route >= routes_.size()) return;
  routes_[route].add_duplicates(cohort, count, 0);
}

void BlockBuilder::add_segment(std::size_t segment, Cohort cohort, CohortCounts counts) noexcept {
  if (segment < segments_.size()) segments_[segment].add(cohort, counts);
}

void BlockBuilder::add_segment_duplicates(std::size_t segment,
                                          Cohort cohort,
                                          std::uint64_t count) noexcept {
  if (segment < segments_.size()) segments_[segment].add_duplicates(cohort, count, 0);
}

bool BlockBuilder::judges_latency() const noexcept {
  return rules_.judged != LatencyRules{}.judged || rules_.limits != LatencyRules{}.limits;
}

std::optional<Duration> BlockBuilder::overdue_after() const {
  std::optional<std::size_t> highest = all_.latency().highest_limit();
  for (const ComparisonBuilder& route : routes_) {
    highest = std::max(highest, route.latency().highest_limit());
  }
  // Nothing is above the last bucket.
  if (!highest || *highest + 1 >= kLatencyBuckets) return std::nullopt;
  return std::max(kOverdueAtLeast, slow_after(*highest));
}

std::optional<Duration> BlockBuilder::abandoned_after() const {
  std::optional<std::size_t> lowest = all_.latency().lowest_limit();
  for (const ComparisonBuilder& route : routes_) {
    lowest = std::max(lowest, route.latency().lowest_limit());
  }
  if (!lowest || *lowest + 1 >= kLatencyBuckets) return std::nullopt;
  return slow_after(*lowest);
}

void BlockBuilder::add_vote(Cohort cohort, unsigned score) noexcept {
  if (!is_version(cohort)) return;
  (cohort == Cohort::kCanary ? votes_.canary : votes_.stable).add(score);
}

std::optional<Block> BlockBuilder::tick(std::int64_t now_second) {
  settle(now_second);
  std::optional<Block> closed;
  if (now_second > all_.start_second() && is_complete(all_, now_second)) {
    closed = take(now_second, false);
  }
  if (!limits_ || now_second <= limits_->start_second()) return closed;
  const std::int64_t began = limits_->start_second();
  const Comparison limits = limits_->take_by_limits(now_second);
  if (!limits.has_canary()) return closed;
  if (!closed) {
    closed.emplace();
    closed->start_second = began;
    closed->epoch = epoch_;
    closed->step = step_;
  }
  closed->limits = limits;
  return closed;
}

std::optional<Block> BlockBuilder::change(std::int64_t now_second,
                                          std::uint64_t epoch,
                                          std::uint32_t step) {
  settle(now_second);
  Block closed = take(now_second, true);
  epoch_ = epoch;
  step_ = step;
  // They belong to requests of the old table, which are no longer evidence.
  all_.forget_owed();
  for (ComparisonBuilder& route : routes_) route.forget_owed();
  for (CountsBuilder& segment : segments_) segment.forget_owed();
  // Who votes from here on does so under another weight.
  votes_ = {};
  votes_second_ = now_second;
  if (limits_) {
    closed.limits = limits_->take_by_limits(now_second);
    limits_->forget_owed();
  }
  if (closed.comparable()) return closed;
  if (!closed.limits.has_canary()) return std::nullopt;
  closed.stable = closed.canary = {};
  closed.latency = {};
  closed.clients = {};
  closed.routes.clear();
  closed.segments.clear();
  return closed;
}

Block BlockBuilder::open() const {
  Block block;
  block.start_second = all_.start_second();
  block.epoch = epoch_;
  block.step = step_;
  block.stable = all_.open().stable;
  block.canary = all_.open().canary;
  return block;
}

void BlockBuilder::settle(std::int64_t now_second) noexcept {
  all_.settle(now_second);
  if (limits_) limits_->settle(now_second);
  for (ComparisonBuilder& route : routes_) route.settle(now_second);
  for (CountsBuilder& segment : segments_) segment.settle();
}

Block BlockBuilder::take(std::int64_t now_second, bool with_open) {
  Block closed = open();
  const Comparison all = all_.take(now_second);
  closed.seconds = all.seconds;
  closed.stable = all.stable;
  closed.canary = all.canary;
  closed.latency = all.latency;
  closed.clients = clients_.now();
  take_parts(routes_, route_clients_, now_second, with_open, closed.routes);
  take_parts(segments_, segment_clients_, now_second, with_open, closed.segments);
  take_votes(closed, now_second);
  return closed;
}

// Only with a block that is evidence: others are not kept.
void BlockBuilder::take_votes(Block& closed, std::int64_t now_second) noexcept {
  if (closed.comparable() && votes_.comparable()) {
    closed.feedback = votes_;
    closed.feedback.seconds = seconds_between(votes_second_, now_second);
  } else if (now_second - votes_second_ < kMaxVotesOpenSeconds) {
    return;
  }
  votes_ = {};
  votes_second_ = now_second;
}

}  // namespace canaryd::stats
