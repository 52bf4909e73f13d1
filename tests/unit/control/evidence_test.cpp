// The rows must make the same analyzer again, bit by bit, and nothing else may pass for rows.
#include "control/evidence.hpp"

#include "canaryd/base/random.hpp"
#include "control/evidence_rows.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <span>
#include <utility>

namespace canaryd::control {
namespace {

stats::LatencyCounts random_latency(Random& random) {
  stats::LatencyCounts latency;
  latency.stable_n = 1 + random.below(5000);
  latency.canary_n = 1 + random.below(500);
  for (stats::SlowCounts& slow : latency.slow) {
    if (random.chance(0.3)) continue;
    slow.threshold = static_cast<std::uint16_t>(random.below(300));
    slow.limit = static_cast<std::uint16_t>(slow.threshold + 1 + random.below(10));
    slow.limit_next = static_cast<std::uint16_t>(slow.limit + random.below(10));
    slow.stable_slow = random.below(latency.stable_n + 1);
    slow.canary_slow = random.below(latency.canary_n + 1);
    slow.canary_slow_next = random.below(slow.canary_slow + 1);
  }
  return latency;
}

stats::Block random_block(Random& random, std::int64_t second) {
  stats::Block block;
  block.start_second = second;
  block.seconds = static_cast<std::uint32_t>(random.below(4));
  block.epoch = random.below(10);
  block.step = static_cast<std::uint32_t>(random.below(5));
  block.stable.n = 1 + random.below(5000);
  block.stable.bad = random.below(block.stable.n / 50 + 1);
  block.canary.n = 1 + random.below(500);
  block.canary.bad = random.below(block.canary.n / 40 + 1);
  return block;
}

stats::ClientSpread random_clients(Random& random) {
  stats::ClientSpread clients;
  for (std::uint32_t& effect : clients.effect) {
    effect = static_cast<std::uint32_t>(random.below(2000));
  }
  clients.effect[0] += 1;
  clients.ln_ways = static_cast<std::uint32_t>(random.below(20'000));
  return clients;
}

// With all that a row can hold.
stats::Block full_block(Random& random, std::int64_t second) {
  stats::Block block = random_block(random, second);
  if (random.chance(0.8)) block.latency = random_latency(random);
  if (random.chance(0.5)) block.clients = random_clients(random);
  for (std::uint32_t route = 0; route < 3; ++route) {
    if (random.chance(0.4)) continue;
    stats::RouteComparison& one = block.routes.emplace_back();
    one.route = route;
    one.counts = {1, {10, random.below(10)}, {5, random.below(5)}, random_latency(random)};
    if (random.chance(0.5)) one.clients = random_clients(random);
  }
  for (std::uint32_t segment = 0; segment < 2; ++segment) {
    if (random.chance(0.4)) continue;
    stats::SegmentComparison& one = block.segments.emplace_back();
    one.segment = segment;
    one.counts = {1, {10, random.below(10)}, {5, random.below(5)}};
    if (random.chance(0.5)) one.clients = random_clients(random);
  }
  if (random.chance(0.3)) {
    const std::uint64_t stable = 1 + random.below(20);
    const std::uint64_t canary = 1 + random.below(20);
    block.feedback = {static_cast<std::uint32_t>(random.below(3600)),
                      {stable, random.below(4 * stable + 1)},
                      {canary, random.below(4 * canary + 1)}};
  }
  if (random.chance(0.5)) block.limits = {1, block.stable, block.canary, random_latency(random)};
  // Of the canary alone.
  if (block.limits.canary.n > 0 && random.chance(0.3)) {
    block.stable = block.canary = {};
    block.latency = {};
    block.routes.clear();
    block.segments.clear();
  }
  return block;
}

// As an older version wrote it: its routes and segments were judged by the clients of all.
TEST(Evidence, ARowThatKnowsNoClientsOfItsPartsMeansThoseOfAll) {
  Random random(3);
  stats::Block block = random_block(random, 1);
  block.clients = random_clients(random);
  block.routes.push_back({0, {1, {10, 1}, {5, 1}}, block.clients});
  block.segments.push_back({0, {1, {10, 1}, {5, 1}}, block.clients});
  std::vector<std::int64_t> row = block_values(block, false);
  // Two parts of a number, a count, a place, the effects and the ways each.
  row.resize(row.size() - 2 * (3 + stats::kClientMetrics + 1));
  EXPECT_EQ(read_block(row).value(), block);
  // A newer one says that they are all alike.
  block.routes[0].clients = block.segments[0].clients = {};
  EXPECT_EQ(read_block(block_values(block, false)).value(), block);
}

std::vector<store::EvidenceRow> some_rows() {
  Evidence evidence("shop", 3, {});
  evidence.begin_step(BasisPoints(100), BasisPoints(500), true);
  Random random(1);
  for (int second = 0; second < 10; ++second) evidence.absorb(random_block(random, second));
  evidence.begin_step(BasisPoints(500), BasisPoints(10000), true);
  return evidence.take_pending();
}

TEST(Evidence, ItsRowsMakeTheSameAnalyzer) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    analysis::Settings settings;
    settings.tolerance.errors.absolute = random.uniform() / 3;
    settings.burst_guard = 0.1 + random.uniform();
    settings.tolerance.latency = {random.uniform(), Duration(seed), random.uniform(), 0.01};
    settings.warm_up = std::chrono::seconds(seed);
    if (random.chance(0.5)) {
      settings.tolerance.feedback =
          analysis::FeedbackTolerance{random.uniform(), random.uniform(), random.chance(0.5)};
    }
    if (random.chance(0.5)) settings.latency_quantiles.pop_back();
    settings.routes = {
        "shop", "a-route-with-a-name-of-63-characters-as-long-as-names-may-ever-be-", "pay"};
    settings.routes[1].resize(63);
    if (random.chance(0.7)) {
      settings.segments = {
          "X-Tenant=acme",
          "User-Agent=" + std::string(analysis::Settings::kSegmentNameBytesMax - 11, '*')};
    }
    if (random.chance(0.5)) settings.limits.errors = 0.01 + random.uniform() / 2;
    if (random.chance(0.5)) settings.limits.latency[seed % 4] = std::chrono::seconds(seed);
    Evidence evidence("shop", 7, settings);
    std::vector<store::EvidenceRow> written;
    const auto write = [&] {
      for (store::EvidenceRow& row : evidence.take_pending()) written.push_back(std::move(row));
    };
    unsigned weight = 100;
    for (int second = 0; second < 200; ++second) {
      if (second % 40 == 0) {
        const unsigned next = static_cast<unsigned>(1 + random.below(10000));
        evidence.begin_step(BasisPoints(weight), BasisPoints(next), weight < 10000);
        weight = next;
      }
      evidence.absorb(full_block(random, second));
      if (random.chance(0.2)) write();
      if (!random.chance(0.05)) continue;
      // A restart; later settings of the file change nothing in a run that goes on.
      write();
      auto replayed = Evidence::replay("shop", 7, {}, written);
      ASSERT_TRUE(replayed.has_value()) << describe(replayed.error());
      ASSERT_EQ(replayed->analyzer(), evidence.analyzer()) << "seed " << seed;
      ASSERT_EQ(replayed->verdict(), evidence.verdict()) << "seed " << seed;
      ASSERT_TRUE(replayed->take_pending().empty()) << "rows would be doubled";
      ASSERT_EQ(replayed->weight(), evidence.weight());
      ASSERT_EQ(replayed->next_weight(), evidence.next_weight());
      evidence = std::move(*replayed);
    }
    write();
    for (std::size_t i = 0; i < written.size(); ++i) ASSERT_EQ(written[i].index, i);
  }
}

TEST(Evidence, DamagedRowsAreRefused) {
  const std::vector<store::EvidenceRow> good = some_rows();
  ASSERT_TRUE(Evidence::replay("shop", 3, {}, good).has_value());
  const auto refused = [&](const char* what, auto damage) {
    std::vector<store::EvidenceRow> rows = good;
    damage(rows);
    const auto replayed = Evidence::replay("shop", 3, {}, rows);
    ASSERT_FALSE(replayed.has_value()) << what;
    EXPECT_EQ(replayed.error().code, ErrorCode::kMalformed) << what;
  };
  refused("no settings", [](auto& rows) { rows[0].kind = store::EvidenceKind::kBlock; });
  refused("short settings", [](auto& rows) { rows[0].values.pop_back(); });
  refused("odds of 0", [](auto& rows) { rows[0].values[0] = 0; });
  refused("not a number", [](auto& rows) { rows[0].values[4] = 0x7ff8000000000000; });
  refused("two beginnings", [](auto& rows) { rows[3] = rows[0]; });
  refused("next weight 0", [](auto& rows) { rows[1].values[1] = 0; });
  refused("weight above 100 %", [](auto& rows) { rows[1].values[0] = 10001; });
  refused("short step", [](auto& rows) { rows[1].values.pop_back(); });
  refused("short block", [](auto& rows) { rows[2].values.pop_back(); });
  refused("negative", [](auto& rows) { rows[2].values[4] = -1; });
  refused("more bad than all", [](auto& rows) { rows[2].values[7] = rows[2].values[6] + 1; });
  refused("too many seconds", [](auto& rows) { rows[2].values[1] = std::int64_t{1} << 40; });
  refused("of another run", [](auto& rows) { rows[2].run = 2; });
  refused("of another rollout", [](auto& rows) { rows[2].rollout = "pay"; });
}

TEST(Evidence, DamagedLatencyAndRoutesAreRefused) {
  Random random(2);
  stats::Block block = random_block(random, 1);
  block.latency = random_latency(random);
  block.latency.slow[0] = {100, 102, 108, 1, 1, 1};
  block.routes.push_back({1, {1, {10, 1}, {5, 1}, random_latency(random)}});
  const std::vector<std::int64_t> good = block_values(block);
  ASSERT_EQ(read_block(good).value(), block);
  for (std::size_t length = 0; length < good.size(); ++length) {
    const auto part = std::span(good).first(length);
    EXPECT_EQ(read_block(part).has_value(), length == 8) << "8 values are a row of older versions";
  }
  // mask, stable_n, canary_n, threshold, limit, limit_next, stable_slow, canary_slow, next.
  const auto refused = [&](std::size_t index, std::int64_t value) {
    std::vector<std::int64_t> row = good;
    row[index] = value;
    EXPECT_FALSE(read_block(row).has_value()) << index << " " << value;
  };
  refused(8, 16);
  refused(8, -1);
  refused(11, 103);
  refused(12, 0);
  refused(12, 109);
  refused(13, 340);
  refused(14, static_cast<std::int64_t>(block.latency.stable_n) + 1);
  refused(15, static_cast<std::int64_t>(block.latency.canary_n) + 1);
  refused(16, 2);
  for (std::size_t i = 0; i < good.size(); ++i) refused(i, INT64_MIN);
  std::vector<std::int64_t> longer = good;
  longer.push_back(0);
  EXPECT_FALSE(read_block(longer).has_value());
}

TEST(Evidence, DamagedLimitsAreRefused) {
  Random random(3);
  stats::Block block = random_block(random, 1);
  block.limits = {1, {10, 1}, {5, 1}, random_latency(random)};
  const std::vector<std::int64_t> good = block_values(block);
  ASSERT_EQ(read_block(good).value(), block);
  // Behind the eight values of every block: no latency, no routes, then the part and its number.
  for (std::size_t length = 0; length < good.size(); ++length) {
    const bool whole = length == 8 || length == 10;
    EXPECT_EQ(read_block(std::span(good).first(length)).has_value(), whole) << length;
  }
  std::vector<std::int64_t> unknown = good;
  ASSERT_EQ(unknown[10], 1);
  unknown[10] = 2;
  EXPECT_FALSE(read_block(unknown).has_value());
  std::vector<std::int64_t> twice = good;
  twice.insert(twice.end(), good.begin() + 10, good.end());
  EXPECT_FALSE(read_block(twice).has_value());

  analysis::Settings settings;
  settings.limits.errors = 0.05;
  settings.limits.latency[3] = std::chrono::seconds(2);
  const std::vector<std::int64_t> row = settings_values(settings);
  ASSERT_EQ(read_settings(row, {}).value(), settings);
  const auto refused = [&](std::size_t from_end, std::int64_t value) {
    std::vector<std::int64_t> damaged = row;
    damaged[damaged.size() - from_end] = value;
    EXPECT_FALSE(read_settings(damaged, {}).has_value()) << from_end << ' ' << value;
  };
  refused(6, 2);
  refused(5, 0x3ff0000000000000);  // 100 %.
  refused(5, 0x7ff8000000000000);  // Not a number.
  refused(1, 1);                   // A nanosecond.
  refused(1, -1);
}

// What version 0.1 wrote: settings of five values, blocks of eight.
TEST(Evidence, ARunOfAnOlderVersionGoesOnWithErrorsAlone) {
  analysis::Settings settings;
  settings.routes = {"shop", "pay"};
  std::vector<store::EvidenceRow> rows = some_rows();
  ASSERT_EQ(rows[2].values.size(), 8U);
  rows[0].values.resize(5);
  const auto replayed = Evidence::replay("shop", 3, settings, rows);
  ASSERT_TRUE(replayed.has_value()) << describe(replayed.error());
  EXPECT_TRUE(replayed->analyzer().settings().latency_quantiles.empty());
  EXPECT_TRUE(replayed->analyzer().settings().routes.empty());
  EXPECT_EQ(replayed->verdict().metrics.size(), 1U);
  analysis::Settings errors_only;
  errors_only.latency_quantiles.clear();
  Evidence as_it_was("shop", 3, errors_only);
  as_it_was.begin_step(BasisPoints(100), BasisPoints(500), true);
  Random random(1);
  for (int second = 0; second < 10; ++second) as_it_was.absorb(random_block(random, second));
  as_it_was.begin_step(BasisPoints(500), BasisPoints(10000), true);
  EXPECT_EQ(replayed->analyzer(), as_it_was.analyzer());
}

TEST(Evidence, WithoutItsBeginningItBeginsAnewBehindTheRest) {
  std::vector<store::EvidenceRow> rows = some_rows();
  rows.erase(rows.begin(), rows.begin() + 3);
  auto anew = Evidence::replay("shop", 3, {}, rows);
  ASSERT_TRUE(anew.has_value()) << describe(anew.error());
  EXPECT_EQ(anew->analyzer(), Evidence("shop", 3, {}).analyzer());
  anew->begin_step(BasisPoints(500), BasisPoints(10000), true);
  for (store::EvidenceRow& row : anew->take_pending()) {
    ASSERT_GT(row.index, rows.back().index);
    rows.push_back(std::move(row));
  }
  const auto again = Evidence::replay("shop", 3, {}, rows);
  ASSERT_TRUE(again.has_value()) << describe(again.error());
  EXPECT_EQ(again->analyzer(), anew->analyzer());
}

TEST(Evidence, RowsOfAFailedWriteGoFirstAgain) {
  Evidence evidence("shop", 3, {});
  evidence.begin_step(BasisPoints(100), BasisPoints(500), true);
  auto rows = evidence.take_pending();
  evidence.begin_step(BasisPoints(500), BasisPoints(1000), true);
  evidence.put_back(std::move(rows));
  rows = evidence.take_pending();
  ASSERT_EQ(rows.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rows[i].index, i);
}

TEST(Evidence, BlocksThatCannotBeComparedLeaveNoRow) {
  Evidence evidence("shop", 3, {});
  evidence.begin_step(BasisPoints(100), BasisPoints(500), true);
  static_cast<void>(evidence.take_pending());
  stats::Block block;
  block.stable.n = 100;
  evidence.absorb(block);
  EXPECT_TRUE(evidence.take_pending().empty());
  EXPECT_EQ(evidence.verdict().reason, analysis::Reason::kNoCanaryTraffic);
}

TEST(Evidence, RepetitionsAreKept) {
  stats::Block block;
  block.stable = {100, 2, 0, 7};
  block.canary = {10, 1, 0, 3};
  EXPECT_EQ(read_block(block_values(block)).value(), block);
  Random random(5);
  block.latency = random_latency(random);
  const std::vector<std::int64_t> good = block_values(block);
  ASSERT_EQ(read_block(good).value(), block);
  EXPECT_FALSE(read_block(std::span(good).first(good.size() - 1)).has_value());
  std::vector<std::int64_t> row = good;
  row.back() = -1;
  EXPECT_FALSE(read_block(row).has_value());
}

TEST(Evidence, ClientErrorsAreKeptWhereTheyAreJudged) {
  Random random(4);
  stats::Block block = random_block(random, 1);
  block.stable.client_errors = 3;
  block.routes.push_back({1, {1, {10, 1, 4}, {5, 1, 2}, random_latency(random)}});
  EXPECT_EQ(read_block(block_values(block)).value().stable.client_errors, 0U);
  const std::vector<std::int64_t> good = block_values(block, true);
  ASSERT_EQ(read_block(good).value(), block);
  for (std::size_t i = good.size() - 4; i < good.size(); ++i) {
    std::vector<std::int64_t> row = good;
    row[i] = i + 1 == good.size() ? 5 : 1'000'000;
    EXPECT_FALSE(read_block(row).has_value()) << "more than there are requests that did not fail";
    row[i] = -1;
    EXPECT_FALSE(read_block(row).has_value());
    EXPECT_FALSE(read_block(std::span(good).first(i)).has_value());
  }

  analysis::Settings settings;
  settings.tolerance.client_errors = analysis::Tolerance{0.2, 0.03};
  EXPECT_EQ(read_settings(settings_values(settings), {}).value(), settings);
  EXPECT_EQ(read_settings(settings_values({}), settings).value(), analysis::Settings{})
      << "a run that began without them does not judge them";
  settings.tolerance.client_errors->absolute = 2;
  EXPECT_FALSE(read_settings(settings_values(settings), {}).has_value());
}

// What only hangs moves accounts, so it is in the journal.
TEST(Evidence, ABlockOfNothingButHangsComesBack) {
  Evidence evidence("shop", 3, {});
  evidence.begin_step(BasisPoints(100), BasisPoints(500), true);
  stats::Block block;
  block.seconds = 1;
  block.stable.n = 100;
  block.latency.stable_n = 100;
  block.latency.canary_n = 4;
  block.latency.slow[0] = {100, 102, 102, 50, 4, 4};
  evidence.absorb(block);
  block.limits = {1, {}, {}, block.latency};
  evidence.absorb(block);
  const std::vector<store::EvidenceRow> rows = evidence.take_pending();
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(read_block(rows[3].values).value(), block);
  const auto again = Evidence::replay("shop", 3, {}, rows);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->analyzer(), evidence.analyzer());
  EXPECT_GT(evidence.verdict().metrics[1].canary_bad, 0);
}

TEST(Evidence, DamagedFeedbackIsRefused) {
  Random random(3);
  stats::Block block = random_block(random, 1);
  block.feedback = {7, {3, 12}, {2, 0}};
  const std::vector<std::int64_t> good = block_values(block);
  ASSERT_EQ(good.size(), 8U + 2 + 6);
  ASSERT_EQ(read_block(good).value(), block);
  const auto refused = [&](std::size_t index, std::int64_t value) {
    std::vector<std::int64_t> row = good;
    row[index] = value;
    EXPECT_FALSE(read_block(row).has_value()) << index << " " << value;
  };
  refused(10, 0);
  refused(10, 3);
  refused(13, 13);
  refused(15, 9);
  for (std::size_t i = 10; i < good.size(); ++i) refused(i, -1);
  for (std::size_t length = 11; length < good.size(); ++length) {
    EXPECT_FALSE(read_block(std::span(good).first(length)).has_value()) << length;
  }
}

// What a version before feedback wrote: its run goes on without.
TEST(Evidence, ARunThatBeganWithoutFeedbackGoesOnWithout) {
  const std::vector<store::EvidenceRow> rows = some_rows();
  analysis::Settings settings;
  settings.tolerance.feedback.emplace();
  const auto replayed = Evidence::replay("shop", 3, settings, rows);
  ASSERT_TRUE(replayed.has_value()) << describe(replayed.error());
  EXPECT_FALSE(replayed->analyzer().settings().tolerance.feedback);
}

}  // namespace
}  // namespace canaryd::control
