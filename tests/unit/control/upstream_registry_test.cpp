#include "control/upstream_registry.hpp"

#include "canaryd/upstream/concurrency.hpp"
#include "support/manual_clock.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace canaryd::control::test {
namespace {

using namespace std::chrono_literals;
using upstream::Health;

class UpstreamRegistryTest : public ::testing::Test {
 protected:
  UpstreamRegistryTest() {
    upstream::UpstreamSpec app;
    app.name = "app";
    for (const char* text : {"127.0.0.1:9001", "127.0.0.1:9002"}) {
      app.endpoints.emplace_back(*parse_socket_address(text));
    }
    specs_ = {app};
    registry_.update(specs_);
  }
  upstream::EndpointState& state(std::size_t index) {
    return *registry_.find("app")->endpoints[index].state;
  }
  [[nodiscard]] std::vector<EjectionChange> changes() {
    return registry_.ejection_changes(clock_.now());
  }

  canaryd::test::ManualClock clock_;
  UpstreamRegistry registry_{2};
  std::vector<upstream::UpstreamSpec> specs_;
};

TEST_F(UpstreamRegistryTest, EachEjectionIsToldOnceAndSoIsItsEnd) {
  EXPECT_TRUE(changes().empty());
  state(1).eject(clock_.now() + 30s);
  const auto out = changes();
  ASSERT_EQ(out.size(), 1U);
  EXPECT_EQ(out[0].upstream, "app");
  EXPECT_EQ(to_string(out[0].endpoint), "127.0.0.1:9002");
  EXPECT_TRUE(out[0].ejected);
  EXPECT_TRUE(changes().empty());
  // A reload is no news.
  registry_.update(specs_);
  EXPECT_TRUE(changes().empty());
  clock_.advance(30s);
  ASSERT_EQ(changes().size(), 1U);
  EXPECT_TRUE(changes().empty());
}

// For the requests that began under an older table.
TEST_F(UpstreamRegistryTest, TheRuleInForceLimitsEjections) {
  const auto limit = [&] {
    registry_.update(specs_);
    return registry_.share(specs_[0], 0).state->ejection_max.load();
  };
  EXPECT_EQ(limit(), 0s);
  specs_[0].outlier_detection = upstream::OutlierDetection{};
  EXPECT_EQ(limit(), 30s);
  specs_[0].outlier_detection->ejection = 1s;
  EXPECT_EQ(limit(), 1s);
  specs_[0].outlier_detection.reset();
  EXPECT_EQ(limit(), 0s);
}

TEST_F(UpstreamRegistryTest, HealthOfAnUpstreamThatIsChecked) {
  EXPECT_EQ(registry_.health("app").proven, 2U);
  EXPECT_TRUE(registry_.health("app").known);
  specs_[0].health_check = true;
  registry_.update(specs_);
  EXPECT_EQ(registry_.health("app").usable, 2U);
  EXPECT_EQ(registry_.health("app").proven, 0U);
  EXPECT_FALSE(registry_.health("app").known);
  state(0).set_health(Health::kHealthy, clock_.now());
  state(1).set_health(Health::kUnhealthy, clock_.now());
  const UpstreamHealth health = registry_.health("app");
  EXPECT_EQ(health.endpoints, 2U);
  EXPECT_EQ(health.usable, 1U);
  EXPECT_EQ(health.proven, 1U);
  EXPECT_TRUE(health.known);
  EXPECT_TRUE(health.up());
  EXPECT_FALSE(registry_.health("other").up());
}

// It may come back, and then has to know what is in flight.
TEST_F(UpstreamRegistryTest, ALimitThatIsTakenAwayGoesOnCounting) {
  specs_[0].concurrency = upstream::Concurrency{4, 2, 1s};
  registry_.update(specs_);
  const auto limit = registry_.share(specs_[0], 0).limit;
  ASSERT_NE(limit, nullptr);
  EXPECT_FALSE(limit->lifted());
  specs_[0].concurrency.reset();
  registry_.update(specs_);
  EXPECT_EQ(registry_.share(specs_[0], 1).limit, limit);
  EXPECT_TRUE(limit->lifted());
  specs_[0].concurrency = upstream::Concurrency{3, 2, 1s};
  registry_.update(specs_);
  EXPECT_EQ(registry_.share(specs_[0], 0).limit, limit);
  EXPECT_EQ(limit->max(), 3U);
}

}  // namespace
}  // namespace canaryd::control::test
