// A collector, and what a worker gives it.
#pragma once

#include "canaryd/telemetry/collector.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace canaryd::telemetry::test {

using namespace std::chrono_literals;
using stats::Judgement;

inline constexpr RouteId kShop{0};
inline constexpr RouteId kPlain{1};
inline constexpr RolloutId kCheckout{0};

inline TableLayout layout(std::uint64_t epoch,
                          std::uint64_t weight_epoch = 1,
                          std::uint32_t step = 0) {
  TableLayout table;
  table.epoch = epoch;
  table.rollouts = {{.name = "checkout", .run = 1, .epoch = weight_epoch, .step = step}};
  table.routes = {{"shop", kCheckout}, {"plain", std::nullopt}};
  return table;
}

inline void finish(stats::CounterBlock& block,
                   int count,
                   Judgement judgement = Judgement::kGood,
                   Duration latency = 10ms) {
  for (int i = 0; i < count; ++i) {
    block.begin();
    block.finish({.code_class = judgement == Judgement::kBad ? std::uint8_t{5} : std::uint8_t{2},
                  .judgement = judgement,
                  .fallback = stats::Fallback::kNone,
                  .latency = latency,
                  .bytes_in = 10,
                  .bytes_out = 100});
  }
}

inline stats::CounterSnapshot total(const Collector& collector,
                                    std::string_view route,
                                    Cohort cohort) {
  stats::CounterSnapshot found;
  collector.visit_routes([&](auto name, auto, Cohort of, const auto& counts) {
    if (name == route && of == cohort) found = counts;
  });
  return found;
}

struct CollectorTest : testing::Test {
  Collector collector;
  std::int64_t now = 1000;

  std::vector<ClosedBlock> tick() {
    collector.tick(++now);
    return collector.take_blocks();
  }
};

}  // namespace canaryd::telemetry::test
