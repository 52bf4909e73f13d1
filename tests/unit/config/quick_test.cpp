#include "canaryd/config/quick.hpp"

#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

Result<std::string> quick(const std::string& stable,
                          const std::string& canary,
                          std::vector<std::string> steps = {}) {
  QuickOptions options;
  options.stable = stable;
  options.canary = canary;
  options.steps = std::move(steps);
  return quick_yaml(options);
}

TEST(Quick, MakesAFileThatLoads) {
  const auto yaml = quick("127.0.0.1:9001", "[::1]:9002", {"2.5", "100"});
  ASSERT_TRUE(yaml.has_value()) << yaml.error().context;
  const LoadResult result = load_text(*yaml);
  EXPECT_EQ(report_of(result), "");
  const Config config = config_of(result);
  EXPECT_EQ(to_string(config.listeners.at(0).address), "127.0.0.1:8080");
  EXPECT_EQ(config.rollouts.at(0).plan.steps.at(0).weight, BasisPoints(250));
  EXPECT_TRUE(quick("127.0.0.1:9001", "127.0.0.1:9002").has_value());
}

TEST(Quick, RefusesWhatIsNoAddressOrStep) {
  EXPECT_FALSE(quick("localhost:1", "127.0.0.1:9002").has_value());
  EXPECT_FALSE(quick("127.0.0.1:9001", "127.0.0.1:9002\"]\nadmin: {}").has_value());
  EXPECT_FALSE(quick("127.0.0.1:9001", "127.0.0.1:9002", {"5", "1"}).has_value());
  EXPECT_FALSE(quick("127.0.0.1:9001", "127.0.0.1:9002", {"x"}).has_value());
  EXPECT_FALSE(quick("127.0.0.1:8080", "127.0.0.1:9002").has_value()) << "the listener itself";
}

}  // namespace
}  // namespace canaryd::config
