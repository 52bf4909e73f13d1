#include "canaryd/telemetry/metrics.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace canaryd::telemetry {
namespace {

using namespace std::chrono_literals;

DurationMetrics durations(std::initializer_list<Duration> each) {
  DurationMetrics result;
  for (const Duration one : each) {
    result.histogram.add(one);
    result.sum_seconds += std::chrono::duration<double>(one).count();
  }
  return result;
}

RolloutMetrics example_rollout() {
  RolloutMetrics rollout;
  rollout.name = "checkout";
  rollout.stable = "shop-v1";
  rollout.canary = "shop-v2";
  rollout.revision = "2.4.0 \"beta\"\n";  // Whatever the file says must not break the format.
  rollout.state = "progressing";
  rollout.since_seconds = 1767607320;
  rollout.step = 2;
  rollout.steps = 5;
  rollout.weight = BasisPoints(500);
  rollout.observed_ratio = 0.0625;
  rollout.exposure_remaining = 19;
  rollout.transitions = {{"progressing", "started", 1}};
  rollout.rollbacks = {{"verdict", 1}};
  rollout.analysis = {{.metric = "errors",
                       .verdict = 0,
                       .rollback_evidence = 0.04,
                       .accept_evidence = 0.61,
                       .stable = 0.0021,
                       .canary = 0.0025,
                       .tolerated = 0.0033},
                      {.metric = "latency_p99", .verdict = -1}};
  rollout.samples_stable = 15433;
  rollout.samples_canary = 812;
  rollout.votes_stable = {340, 200};
  rollout.votes_canary = {20, 50};
  rollout.votes_ignored = {{"duplicate", 3}};
  return rollout;
}

MetricsSnapshot example() {
  MetricsSnapshot snapshot;
  snapshot.version = "0.1.0";
  snapshot.commit = "abcdef0";
  snapshot.latency_bounds = {0.005, 0.05, 1};
  snapshot.reload = {true, 1767607200, 3, 1};
  snapshot.listeners = {{.name = "public",
                         .connections_active = 7,
                         .connections = {{"accepted", 40}, {"refused", 2}},
                         .errors = {{"no_route", 3}, {"timeout", 1}}}};
  snapshot.routes = {
      {"assets", "", Cohort::kNone, {0, 0, 5, 1, 0, 0}},
      {"shop", "checkout", Cohort::kStable, {1, 0, 100, 0, 4, 2}},
      {"shop", "checkout", Cohort::kCanary, {0, 0, 9, 0, 0, 1}},
      {"shop", "checkout", Cohort::kShadow, {2, 0, 7, 0, 1, 0}, {8, 1, 1, 4, 3, 2}},
  };
  snapshot.traffic = {
      {.rollout = "",
       .cohort = Cohort::kNone,
       .duration = durations({1ms, 1ms, 2ms}),
       .active = 0,
       .request_body_bytes = 0,
       .response_body_bytes = 4096},
      {.rollout = "checkout",
       .cohort = Cohort::kCanary,
       .duration = durations({3ms, 20ms, 500ms, 4s}),
       .active = 2,
       .request_body_bytes = 123,
       .response_body_bytes = 456},
  };
  snapshot.upstreams = {
      {.name = "shop-v1",
       .connections_busy = 2,
       .connections_idle = 6,
       .connects = {{"success", 12}, {"failure", 1}},
       .retries = {{"success", 1}},
       .endpoints = {{"127.0.0.1:9001", true}, {"127.0.0.1:9002", false, true, 3}},
       .concurrency = ConcurrencyMetrics{64, 64, 7, {{"queue_full", 11}, {"queue_timeout", 3}}}},
      {.name = "shop-v2", .connections_busy = 1, .discovery = {{"changed", 5}, {"failed", 2}}},
  };
  snapshot.rollouts = {example_rollout()};
  snapshot.log_dropped = 4;
  snapshot.store_failures = 3;
  snapshot.pruned_entries = 120;
  snapshot.pruned_evidence = 7000;
  snapshot.process = ProcessMetrics{12.5, 33554432, 40, 1048576, 1767600000};
  return snapshot;
}

std::string golden_path() {
  return CANARYD_SOURCE_DIR "/tests/golden/metrics/example.txt";
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// After a wanted change: run with CANARYD_UPDATE_GOLDEN=1 and look at the difference.
TEST(Prometheus, TextIsTheContract) {
  const std::string text = prometheus_text(example());
  if (std::getenv("CANARYD_UPDATE_GOLDEN") != nullptr) std::ofstream(golden_path()) << text;
  EXPECT_EQ(text, read_file(golden_path()));
}

TEST(Prometheus, PromtoolHasNoComplaint) {
  const std::string promtool = CANARYD_PROMTOOL;
  if (promtool.empty()) GTEST_SKIP() << "promtool is not installed";
  for (const MetricsSnapshot& snapshot : {example(), MetricsSnapshot{}}) {
    const std::string path =
        testing::TempDir() + "canaryd-metrics-" + std::to_string(snapshot.rollouts.size()) + ".txt";
    std::ofstream(path) << prometheus_text(snapshot);
    const std::string command = promtool + " check metrics < " + path + " 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << read_file(path);
  }
}

TEST(Prometheus, FamiliesWithoutASeriesAreLeftOut) {
  const std::string text = prometheus_text(MetricsSnapshot{});
  EXPECT_EQ(text.find("canaryd_rollout_state"), std::string::npos);
  EXPECT_EQ(text.find("process_"), std::string::npos);
  EXPECT_NE(text.find("canaryd_log_dropped_total 0\n"), std::string::npos);
}

TEST(Prometheus, ReadParityIsThereWhereItIsAskedFor) {
  MetricsSnapshot snapshot;
  snapshot.rollouts = {example_rollout()};
  EXPECT_EQ(prometheus_text(snapshot).find("canaryd_parity"), std::string::npos);
  snapshot.rollouts[0].parity = ParityMetrics{-1, 0.25, {{"same", 40}, {"different", 2}}};
  const std::string text = prometheus_text(snapshot);
  EXPECT_NE(text.find("canaryd_parity_state{rollout=\"checkout\"} -1\n"), std::string::npos);
  EXPECT_NE(text.find("canaryd_parity_evidence_ratio{rollout=\"checkout\"} 0.25\n"),
            std::string::npos);
  EXPECT_NE(text.find("canaryd_parity_reads_total{rollout=\"checkout\",result=\"different\"} 2\n"),
            std::string::npos)
      << text;
}

TEST(Prometheus, ExactlyOneStateIsOne) {
  for (const std::string_view state : kRolloutStates) {
    MetricsSnapshot snapshot;
    snapshot.rollouts = {example_rollout()};
    snapshot.rollouts[0].state = state;
    std::istringstream lines(prometheus_text(snapshot));
    std::size_t ones = 0;
    std::size_t all = 0;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("canaryd_rollout_state{")) continue;
      ++all;
      if (!line.ends_with("} 1")) continue;
      ++ones;
      EXPECT_NE(line.find("state=\"" + std::string(state) + "\""), std::string::npos);
    }
    EXPECT_EQ(ones, 1U) << state;
    EXPECT_EQ(all, kRolloutStates.size());
  }
}

TEST(Prometheus, ReadsThisProcess) {
  const auto process = read_process_metrics();
  ASSERT_TRUE(process);
  EXPECT_GT(process->resident_bytes, 1'000'000U);
  EXPECT_GE(process->open_fds, 3U);
  EXPECT_GE(process->max_fds, process->open_fds);
  EXPECT_GT(process->start_time_seconds, 1.5e9);
  EXPECT_GE(process->cpu_seconds, 0);
}

}  // namespace
}  // namespace canaryd::telemetry
