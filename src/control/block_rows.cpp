// Blocks as rows.
#include "control/evidence_rows.hpp"
#include "control/row_values.hpp"

#include <algorithm>
#include <span>

namespace canaryd::control {
namespace {

using analysis::Settings;

constexpr std::int64_t kLastBucket = stats::kLatencyBuckets - 1;

void put_latency(std::vector<std::int64_t>& values, const stats::LatencyCounts& latency) {
  std::int64_t judged = 0;
  for (std::size_t q = 0; q < latency.slow.size(); ++q) {
    if (latency.slow[q].judged()) judged |= std::int64_t{1} << q;
  }
  values.push_back(judged);
  if (judged == 0) return;
  values.insert(values.end(), {whole(latency.stable_n), whole(latency.canary_n)});
  for (const stats::SlowCounts& slow : latency.slow) {
    if (!slow.judged()) continue;
    values.insert(values.end(),
                  {slow.threshold,
                   slow.limit,
                   slow.limit_next,
                   whole(slow.stable_slow),
                   whole(slow.canary_slow),
                   whole(slow.canary_slow_next)});
  }
}

stats::LatencyCounts take_latency(Values& values) {
  stats::LatencyCounts latency;
  const std::uint64_t judged = values.next_up_to(kAllQuantiles);
  if (judged == 0) return latency;
  latency.stable_n = values.next_count();
  latency.canary_n = values.next_count();
  for (std::size_t q = 0; q < latency.slow.size(); ++q) {
    if (((judged >> q) & 1U) == 0) continue;
    stats::SlowCounts& slow = latency.slow[q];
    slow.threshold = values.next_small<std::uint16_t>(kLastBucket);
    slow.limit = values.next_small<std::uint16_t>(kLastBucket);
    slow.limit_next = values.next_small<std::uint16_t>(kLastBucket);
    slow.stable_slow = values.next_count();
    slow.canary_slow = values.next_count();
    slow.canary_slow_next = values.next_count();
    values.fail_unless(slow.judged() && slow.threshold <= slow.limit &&
                       slow.limit <= slow.limit_next && slow.stable_slow <= latency.stable_n &&
                       slow.canary_slow_next <= slow.canary_slow &&
                       slow.canary_slow <= latency.canary_n);
  }
  return latency;
}

void put_counts(std::vector<std::int64_t>& values, const stats::CohortCounts& counts) {
  values.insert(values.end(), {whole(counts.n), whole(counts.bad)});
}

stats::CohortCounts take_counts(Values& values) {
  stats::CohortCounts counts;
  counts.n = values.next_count();
  counts.bad = values.next_count();
  values.fail_unless(counts.bad <= counts.n);
  return counts;
}

void put_comparison(std::vector<std::int64_t>& values, const stats::Comparison& comparison) {
  values.push_back(comparison.seconds);
  put_counts(values, comparison.stable);
  put_counts(values, comparison.canary);
  put_latency(values, comparison.latency);
}

stats::Comparison take_comparison(Values& values) {
  stats::Comparison comparison;
  comparison.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
  comparison.stable = take_counts(values);
  comparison.canary = take_counts(values);
  comparison.latency = take_latency(values);
  return comparison;
}

void put_routes(std::vector<std::int64_t>& values, const stats::Block& block) {
  values.push_back(whole(block.routes.size()));
  for (const stats::RouteComparison& route : block.routes) {
    values.push_back(route.route);
    put_comparison(values, route.counts);
  }
}

void take_routes(Values& values, stats::Block& block) {
  const std::uint64_t routes = values.next_up_to(Settings::kMaxRoutes);
  for (std::uint64_t i = 0; i < routes && values.good(); ++i) {
    stats::RouteComparison& route = block.routes.emplace_back();
    route.route = values.next_small<std::uint32_t>(Settings::kMaxRoutes - 1);
    route.counts = take_comparison(values);
  }
}

void put_limits(std::vector<std::int64_t>& values, const stats::Block& block) {
  if (!block.limits.has_canary()) return;
  values.push_back(static_cast<std::int64_t>(Part::kLimits));
  put_comparison(values, block.limits);
}

void put_votes(std::vector<std::int64_t>& values, const stats::VoteCounts& votes) {
  values.insert(values.end(), {whole(votes.n), whole(votes.quarters)});
}

stats::VoteCounts take_votes(Values& values) {
  stats::VoteCounts votes;
  votes.n = values.next_count();
  votes.quarters = values.next_count();
  values.fail_unless((votes.quarters + 3) / 4 <= votes.n);
  return votes;
}

void put_feedback(std::vector<std::int64_t>& values, const stats::FeedbackCounts& feedback) {
  values.insert(values.end(), {static_cast<std::int64_t>(Part::kFeedback), feedback.seconds});
  put_votes(values, feedback.stable);
  put_votes(values, feedback.canary);
}

stats::FeedbackCounts take_feedback(Values& values) {
  stats::FeedbackCounts feedback;
  feedback.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
  feedback.stable = take_votes(values);
  feedback.canary = take_votes(values);
  return feedback;
}

// Of all routes together, then of those that the row has, in its order.
template <class Block, class Each>
void for_client_errors(Block& block, const Each& each) {
  each(block.stable);
  each(block.canary);
  for (auto& route : block.routes) {
    each(route.counts.stable);
    each(route.counts.canary);
  }
}

void put_client_errors(std::vector<std::int64_t>& values, const stats::Block& block) {
  values.push_back(static_cast<std::int64_t>(Part::kClientErrors));
  for_client_errors(block, [&](const stats::CohortCounts& counts) {
    values.push_back(whole(counts.client_errors));
  });
}

void take_client_errors(Values& values, stats::Block& block) {
  for_client_errors(block, [&](stats::CohortCounts& counts) {
    counts.client_errors = values.next_count();
    values.fail_unless(counts.client_errors <= counts.n - counts.bad);
  });
}

// Of all routes together.
bool has_repeats(const stats::Block& block) noexcept {
  return block.stable.repeats > 0 || block.canary.repeats > 0;
}

void put_repeats(std::vector<std::int64_t>& values, const stats::Block& block) {
  if (!has_repeats(block)) return;
  values.insert(values.end(),
                {static_cast<std::int64_t>(Part::kRepeats),
                 whole(block.stable.repeats),
                 whole(block.canary.repeats)});
}

void put_clients(std::vector<std::int64_t>& values, const stats::ClientSpread& clients) {
  if (!clients.any()) return;
  values.push_back(static_cast<std::int64_t>(Part::kClients));
  const auto latency = std::span(clients.effect).first<stats::kLatencyQuantiles>();
  values.insert(values.end(), latency.begin(), latency.end());
  values.push_back(clients.ln_ways);
  const std::uint32_t errors = clients.effect[stats::kClientErrors];
  if (errors == 0) return;
  values.insert(values.end(), {static_cast<std::int64_t>(Part::kClientsFailing), errors});
}

std::uint32_t take_effect(Values& values) {
  return values.next_small<std::uint32_t>(stats::ClientSpread::kEffectMax);
}

void take_clients(Values& values, stats::ClientSpread& clients) {
  for (std::size_t q = 0; q < stats::kLatencyQuantiles; ++q)
    clients.effect[q] = take_effect(values);
  clients.ln_ways = values.next_small<std::uint32_t>(stats::ClientSpread::kLnWaysMax);
}

// Of those of the row's routes, or segments, whose clients differ: by their place in the row. None
// of them says so too, where those of all traffic do: without the part they are meant, as in rows
// of an older version.
template <class Each>
void put_clients_of(std::vector<std::int64_t>& values,
                    Part part,
                    const stats::ClientSpread& of_all,
                    const std::vector<Each>& all) {
  const auto differs = [](const Each& each) { return each.clients.any(); };
  const auto count = std::count_if(all.begin(), all.end(), differs);
  if (count == 0 && (all.empty() || !of_all.any())) return;
  values.insert(values.end(), {static_cast<std::int64_t>(part), count});
  for (std::size_t i = 0; i < all.size(); ++i) {
    const stats::ClientSpread& clients = all[i].clients;
    if (!clients.any()) continue;
    values.push_back(whole(i));
    values.insert(values.end(), clients.effect.begin(), clients.effect.end());
    values.push_back(clients.ln_ways);
  }
}

template <class Each>
void take_clients_of(Values& values, std::vector<Each>& all) {
  const std::uint64_t count = values.next_up_to(whole(all.size()));
  for (std::uint64_t i = 0; i < count && values.good(); ++i) {
    const std::uint64_t place = values.next_up_to(whole(all.size()) - 1);
    if (!values.good()) return;
    stats::ClientSpread& clients = all[place].clients;
    for (std::uint32_t& effect : clients.effect) effect = take_effect(values);
    clients.ln_ways = values.next_small<std::uint32_t>(stats::ClientSpread::kLnWaysMax);
  }
}

void put_segments(std::vector<std::int64_t>& values, const stats::Block& block) {
  if (block.segments.empty()) return;
  values.insert(values.end(),
                {static_cast<std::int64_t>(Part::kSegments), whole(block.segments.size())});
  for (const stats::SegmentComparison& segment : block.segments) {
    values.insert(values.end(), {segment.segment, segment.counts.seconds});
    put_counts(values, segment.counts.stable);
    put_counts(values, segment.counts.canary);
  }
}

void take_segments(Values& values, stats::Block& block) {
  const std::uint64_t count = values.next_up_to(Settings::kMaxSegments);
  for (std::uint64_t i = 0; i < count && values.good(); ++i) {
    stats::SegmentComparison& segment = block.segments.emplace_back();
    segment.segment = values.next_small<std::uint32_t>(Settings::kMaxSegments - 1);
    segment.counts.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
    segment.counts.stable = take_counts(values);
    segment.counts.canary = take_counts(values);
  }
}

template <class Each>
void take_clients_of_all(const stats::ClientSpread& of_all, std::vector<Each>& to) {
  for (Each& each : to) each.clients = of_all;
}

bool has_part(std::uint64_t seen, Part part) noexcept {
  return ((seen >> static_cast<unsigned>(part)) & 1U) != 0;
}

// To the end of the row.
void take_block_parts(Values& values, stats::Block& block) {
  std::uint64_t seen = 0;
  while (values.good() && !values.empty()) {
    switch (next_part(values, seen)) {
      case Part::kLimits:
        block.limits = take_comparison(values);
        break;
      case Part::kFeedback:
        block.feedback = take_feedback(values);
        break;
      case Part::kClientErrors:
        take_client_errors(values, block);
        break;
      case Part::kSegments:
        take_segments(values, block);
        break;
      case Part::kRepeats:
        block.stable.repeats = values.next_count();
        block.canary.repeats = values.next_count();
        break;
      case Part::kClients:
        take_clients(values, block.clients);
        break;
      case Part::kClientsFailing:
        block.clients.effect[stats::kClientErrors] = take_effect(values);
        break;
      case Part::kRouteClients:
        take_clients_of(values, block.routes);
        break;
      case Part::kSegmentClients:
        take_clients_of(values, block.segments);
        break;
      default:
        values.fail_unless(false);
    }
  }
  if (!has_part(seen, Part::kRouteClients)) take_clients_of_all(block.clients, block.routes);
  if (!has_part(seen, Part::kSegmentClients)) take_clients_of_all(block.clients, block.segments);
}

}  // namespace

std::vector<std::int64_t> block_values(const stats::Block& block, bool client_errors) {
  std::vector<std::int64_t> values = {
      block.start_second, block.seconds, whole(block.epoch), block.step};
  put_counts(values, block.stable);
  put_counts(values, block.canary);
  const bool voted = block.feedback.comparable();
  const bool errors_only = !block.latency.judged() && block.routes.empty() &&
                           block.segments.empty() && !block.limits.has_canary() && !voted &&
                           !client_errors && !has_repeats(block) && !block.clients.any();
  if (errors_only) return values;
  put_latency(values, block.latency);
  put_routes(values, block);
  put_limits(values, block);
  if (voted) put_feedback(values, block.feedback);
  if (client_errors) put_client_errors(values, block);
  put_segments(values, block);
  put_repeats(values, block);
  put_clients(values, block.clients);
  put_clients_of(values, Part::kRouteClients, block.clients, block.routes);
  put_clients_of(values, Part::kSegmentClients, block.clients, block.segments);
  return values;
}

Result<stats::Block> read_block(std::span<const std::int64_t> row) {
  Values values(row);
  stats::Block block;
  block.start_second = whole(values.next_count());
  block.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
  block.epoch = values.next_count();
  block.step = values.next_small<std::uint32_t>(UINT32_MAX);
  block.stable = take_counts(values);
  block.canary = take_counts(values);
  if (!values.empty()) {
    block.latency = take_latency(values);
    take_routes(values, block);
    take_block_parts(values, block);
  }
  if (!values.good() || !values.empty()) {
    return fail(ErrorCode::kMalformed, "block row is too short or out of range");
  }
  return block;
}

}  // namespace canaryd::control
