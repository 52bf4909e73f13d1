// The list of all rollouts, and the one line of each.
#include "canaryd/cli/status_screen.hpp"
#include "checkout.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::cli {
namespace {

TEST(StatusList, AlignsItsColumns) {
  const std::string body = std::string(R"({"items": [)") + kCheckout +
                           R"(, {"name": "a-much-longer-name", "state": "rolled_back"}]})";
  EXPECT_EQ('\n' + render_list(body, false, {.columns = 100, .color = false, .utf8 = true}).value(),
            R"(
NAME                STATE          STEP  WEIGHT  STABLE   CANARY   REVISION  FOR
checkout            ◌ Progressing  2/5   5 %     shop-v1  shop-v2  2.4.0     3m10s
a-much-longer-name  ✖ Rolled back  -     - %     -        -        -         -
)");
  EXPECT_EQ('\n' + render_list(body, true, {.columns = 140, .color = false, .utf8 = false}).value(),
            R"(
NAME                STATE        STEP  WEIGHT  STABLE   CANARY   REVISION  RPS   RPS CANARY  ERRORS  ERR CANARY  P99      P99 CANARY  REASON
checkout            Progressing  2/5   5 %     shop-v1  shop-v2  2.4.0     51.2  2.70        0.21 %  0.25 %      88.0 ms  90.0 ms     -
a-much-longer-name  Rolled back  -     - %     -        -        -         -     -           -       -           -        -           -
)");
}

// The columns that matter least go first.
TEST(StatusList, FitsANarrowTerminal) {
  const std::string body = std::string(R"({"items": [)") + kCheckout + "]}";
  const auto at = [&](int columns) {
    return '\n' +
           render_list(body, false, {.columns = columns, .color = false, .utf8 = true}).value();
  };
  EXPECT_EQ(at(60), R"(
NAME      STATE          STEP  WEIGHT  STABLE   CANARY
checkout  ◌ Progressing  2/5   5 %     shop-v1  shop-v2
)");
  EXPECT_EQ(at(40), R"(
NAME      STATE          STEP  WEIGHT
checkout  ◌ Progressing  2/5   5 %
)");
  const auto wide_at = [&](int columns) {
    return '\n' +
           render_list(body, true, {.columns = columns, .color = false, .utf8 = true}).value();
  };
  EXPECT_EQ(wide_at(60), R"(
NAME      STATE          WEIGHT  ERR CANARY  P99 CANARY
checkout  ◌ Progressing  5 %     0.25 %      90.0 ms
)");
  EXPECT_EQ(wide_at(40), R"(
NAME      STATE          WEIGHT
checkout  ◌ Progressing  5 %
)");
}

TEST(StatusList, ALongNameLeavesRoomForTheWeight) {
  const std::string body =
      R"({"items": [{"name": "a-rollout-with-a-name-that-is-as-long-as-one-may-be-which-is-63",
       "state": "progressing", "weight": {"target": 5}, "stable": "shop-v1",
       "canary": "shop-v2", "step": {"index": 1, "count": 5}}]})";
  const auto at = [&](int columns) {
    return '\n' +
           render_list(body, false, {.columns = columns, .color = false, .utf8 = true}).value();
  };
  EXPECT_EQ(at(80), R"(
NAME                     STATE          STEP  WEIGHT  STABLE   CANARY   REVISION
a-rollout-with-a-name-…  ◌ Progressing  2/5   5 %     shop-v1  shop-v2  -
)");
  for (int columns = 30; columns <= 130; ++columns) {
    EXPECT_NE(at(columns).find("5 %"), std::string::npos) << at(columns);
  }
}

TEST(StatusList, SaysWhenThereAreNone) {
  const ScreenOptions options{.columns = 100, .color = false, .utf8 = true};
  EXPECT_EQ(render_list(R"({"items": []})", false, options).value(), "no rollouts\n");
  EXPECT_EQ(render_list("[]", false, options).value(), "no rollouts\n");
  EXPECT_FALSE(render_list("<html>", false, options));
}

TEST(StatusLine, IsOneLineForLogs) {
  const ScreenOptions options{.columns = 1000, .color = true, .utf8 = true};
  EXPECT_EQ(render_line(kCheckout, options).value(),
            "checkout: Progressing, step 2/5, weight 5 %\n");
}

TEST(StatusLine, IsTheSameInTheLinesOfAll) {
  const ScreenOptions options{.columns = 1000, .color = true, .utf8 = true};
  const std::string other = R"({"name": "other", "state": "held", "reason": "no_data"})";
  const std::string body = R"({"items": [)" + std::string(kCheckout) + ", " + other + "]}";
  EXPECT_EQ(render_lines(body, options).value(),
            render_line(kCheckout, options).value() + render_line(other, options).value());
  for (const char* none : {R"({"items": []})", "[]"}) {
    EXPECT_EQ(render_lines(none, options).value(), render_list(none, false, options).value());
  }
  EXPECT_TRUE(render_lines(R"({"items": [null, 1, {}]})", options));
  EXPECT_FALSE(render_lines("<html>", options));
}

}  // namespace
}  // namespace canaryd::cli
