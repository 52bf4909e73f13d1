// What a rollout does by what its queries say.
#include "controller_rig.hpp"
#include "unit/control/http_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

// Two short steps; the traffic is good from the first second on.
class ControllerQueriesTest : public ControllerRig {
 protected:
  ControllerQueriesTest() {
    http_io_ = &io_;
    file_ = file("max: 1");
  }
  static std::string file(const std::string& more) {
    return file_with(kListener,
                     kRollout +
                         "    analysis:\n      queries:\n"
                         "        - {name: refunds, prometheus: 'http://127.0.0.1:9090', query: x, "
                         "interval: 5s, timeout: 1s, " +
                         more + "}\n");
  }
  // Seconds of good traffic; whoever was asked answers like this.
  void seconds(int count, const std::optional<Result<client::Response>>& response) {
    for (int i = 0; i < count; ++i) {
      second();
      while (response && io_.answer(*response)) {
      }
    }
  }
  [[nodiscard]] MetricView metric() const {
    for (const MetricView& each : view().analysis) {
      if (each.metric == "query:refunds") return each;
    }
    return {};
  }
  [[nodiscard]] std::string last_sentence() const { return disk_.journal().back().entry.sentence; }

  FakeHttpIo io_;
};

TEST_F(ControllerQueriesTest, GoodReadingsLetItPass) {
  boot();
  seconds(120, sample("0.5"));
  EXPECT_GE(view().weight.target, BasisPoints(5000));
  EXPECT_EQ(metric().verdict, "pass");
  ASSERT_TRUE(metric().reading.has_value());
  EXPECT_EQ(metric().reading->value, 0.5);
  EXPECT_EQ(metric().reading->max, 1);
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_analysis_verdict{rollout=\"shop\",metric=\"query:refunds\"} 1\n"));
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_analysis_reading{rollout=\"shop\",metric=\"query:refunds\"} 0.5"));
}

TEST_F(ControllerQueriesTest, AProviderThatIsDownHoldsAndNeverPasses) {
  boot();
  const Result<client::Response> down =
      fail(ErrorCode::kRefused, "cannot connect to 127.0.0.1:9090: Connection refused");
  seconds(14, down);
  EXPECT_EQ(view().state, "progressing");
  seconds(100, down);
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(view().reason, "no_reading");
  EXPECT_EQ(view().weight.target, BasisPoints(1000));
  EXPECT_THAT(*view().next, HasSubstr("query refunds has had no reading for "));
  EXPECT_THAT(last_sentence(),
              HasSubstr("held shop at 10 %: query refunds has had no reading for "
                        "16s: cannot connect to 127.0.0.1:9090"));
  EXPECT_EQ(disk_.journal().back().entry.cause, "no_reading");
  EXPECT_EQ(metric().verdict, "open");
  // It goes on by itself.
  seconds(120, sample("0.5"));
  EXPECT_GE(view().weight.target, BasisPoints(5000));
}

TEST_F(ControllerQueriesTest, AbortAndRollbackStayArmedWhileItHangs) {
  boot();
  seconds(30, std::nullopt);
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(act(Action::kAbort).status, ActionStatus::kOk);
  EXPECT_EQ(view().state, "aborted");
  EXPECT_EQ(act(Action::kRetry).status, ActionStatus::kOk);
  for (int i = 0; i < 60 && view().state != "rolled_back"; ++i) second(0, 150);
  EXPECT_EQ(view().state, "rolled_back");
  EXPECT_THAT(last_sentence(), HasSubstr("errors canary"));
}

TEST_F(ControllerQueriesTest, BadReadingsHold) {
  boot();
  seconds(60, sample("1.5"));
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(view().reason, "bad_reading");
  EXPECT_EQ(view().weight.target, BasisPoints(1000));
  EXPECT_EQ(metric().verdict, "fail");
  EXPECT_THAT(last_sentence(),
              HasSubstr("held shop at 10 %: query refunds is 1.5, above 1 (3 in a row of 3)"));
  seconds(120, sample("0.5"));
  EXPECT_GE(view().weight.target, BasisPoints(5000));
}

TEST_F(ControllerQueriesTest, BadReadingsRollBackIfAskedTo) {
  file_ = file("max: 1, failures: 2, on_failure: rollback");
  boot();
  seconds(60, sample("1.5"));
  EXPECT_EQ(view().state, "rolled_back");
  EXPECT_EQ(effective(), 0);
  EXPECT_THAT(last_sentence(),
              HasSubstr("rolled back shop at 10 %: query refunds is 1.5, above 1"));
  EXPECT_THAT(
      controller_->metrics_text(),
      HasSubstr("canaryd_rollout_rollbacks_total{rollout=\"shop\",reason=\"bad_reading\"} 1"));
}

TEST_F(ControllerQueriesTest, AReloadThatChangesThemKeepsTheStep) {
  boot();
  seconds(60, sample("1.5"));
  EXPECT_EQ(view().state, "held");
  const std::uint64_t run = disk_.journal().back().entry.generation;
  EXPECT_TRUE(reload(file("max: 2")).ok);
  EXPECT_EQ(view().weight.target, BasisPoints(1000));
  seconds(120, sample("1.5"));
  EXPECT_GT(disk_.journal().back().entry.generation, run);
  EXPECT_GE(view().weight.target, BasisPoints(5000));
  // Without a query nobody is asked.
  EXPECT_TRUE(reload(file_with(kListener, kRollout)).ok);
  const std::size_t asked = io_.asked.size();
  seconds(20, sample("1.5"));
  EXPECT_EQ(io_.asked.size(), asked);
  EXPECT_EQ(metric().metric, "");
}

TEST_F(ControllerQueriesTest, AfterARestartReadingsStartAnew) {
  boot();
  seconds(3, sample("0.5"));
  power_off();
  boot();
  second();
  EXPECT_EQ(view().weight.target, BasisPoints(1000));
  EXPECT_EQ(metric().verdict, "open");
  seconds(60, std::nullopt);
  EXPECT_EQ(view().weight.target, BasisPoints(1000));
  EXPECT_EQ(view().state, "held");
}

}  // namespace
}  // namespace canaryd::control::test
