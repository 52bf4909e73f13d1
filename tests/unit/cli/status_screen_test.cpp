#include "canaryd/cli/status_screen.hpp"

#include "checkout.hpp"
#include "cli/line.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace canaryd::cli {
namespace {

constexpr const char* kHistory = R"({"items": [{"id": 3, "time": "2026-01-05T10:02:00Z",
 "rollout": "checkout", "from": "progressing", "to": "progressing",
 "message": "step 1 (1 %) passed: 540 canary requests, all metrics accepted"}]})";

std::string render(ScreenOptions options) {
  options.today = "2026-01-05";
  return '\n' + render_rollout(kCheckout, kHistory, options).value();
}

// Escape sequences as <...>, so that the golden text can be read.
std::string visible(std::string text) {
  for (std::size_t at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b')) {
    const std::size_t end = text.find('m', at);
    text.replace(at, end - at + 1, "<" + text.substr(at + 2, end - at - 2) + ">");
  }
  return text;
}

TEST(StatusScreen, ShowsEverythingOnAWideTerminal) {
  EXPECT_EQ(render({.columns = 100, .color = false, .utf8 = true}), R"(
checkout   ◌ Progressing   step 2/5   weight 5 %   for 3m10s   revision 2.4.0
           shop-v1 (stable)  ->  shop-v2 (canary)   rollback armed
  1 ✔ ─── 5 ◌ ─── 10 · ─── 25 ‖product-owner ─── 100 · ─── bake 1d
                  stable     canary    tolerated    evidence: bad .......... good
  requests/s        51.2       2.70     share 4.93 % of 5 ✔
  requests         15433        812
  errors          0.21 %     0.25 %       0.33 %     4 % |·········○·····|  61 %   ~6m more
  latency p50    11.0 ms    12.0 ms
  latency p90    41.0 ms    43.0 ms
  latency p99    88.0 ms    90.0 ms
  user-visible failures 1 of 20   saved by fallback 3
  next: weight 10 in about 9m, when latency p99 is accepted
  10:02:00Z ◌ step 1 (1 %) passed: 540 canary requests, all metrics accepted
)");
}

TEST(StatusScreen, ShowsTheEvidenceOfLatency) {
  const auto screen = render_rollout(R"({"name": "shop", "state": "progressing",
 "cohorts": {"stable": {"p50": 0.011, "p90": 0.041}, "canary": {"p50": 0.012, "p90": 0.043}},
 "analysis": [
  {"metric": "latency_p50", "verdict": "open", "stable": 0.011, "canary": 0.012, "tolerated": null,
   "slow": {"stable": null, "canary": null, "tolerated": null},
   "evidence": {"rollback": 0, "accept": 0}, "needs_about": null},
  {"metric": "latency_p90", "verdict": "pass", "stable": 0.042, "canary": 0.044,
   "tolerated": 0.046, "slow": {"stable": 0.1, "canary": 0.08, "tolerated": 0.106},
   "evidence": {"rollback": 0.02, "accept": 1}, "needs_about": "0s"},
  {"metric": "latency_p99.9", "verdict": "fail", "stable": 0.2, "canary": 0.9,
   "tolerated": 0.22, "slow": {"stable": 0.001, "canary": 0.02, "tolerated": 0.002},
   "evidence": {"rollback": 1, "accept": 0}, "needs_about": null},
  {"metric": "limit_errors", "verdict": "open", "stable": null, "canary": 0.012,
   "tolerated": 0.05, "evidence": {"rollback": 0.03, "accept": null}, "needs_about": null},
  {"metric": "limit_latency_p99", "verdict": "fail", "stable": null, "canary": 0.9,
   "tolerated": 0.5, "evidence": {"rollback": 1, "accept": null}, "needs_about": null}]})",
                                     "",
                                     {.columns = 100, .color = false, .utf8 = true})
                          .value();
  const std::string figures = screen.substr(screen.find("  latency p50"));
  EXPECT_EQ(figures,
            R"(  latency p50    11.0 ms    12.0 ms                  0 % |○··············|   0 %
  latency p90    42.0 ms    44.0 ms      46.0 ms     2 % |··············✔| 100 %   good
  latency p99          -          -
  latency p99.9   200 ms     900 ms       220 ms   100 % |✖··············|   0 %   bad
  limit errors               1.20 %       5.00 %     3 %                       -
  limit p99                  900 ms       500 ms   100 % |✖··············|     -   bad
)");
}

TEST(StatusScreen, NothingIsKnownOfAStableThatNobodyIsSentTo) {
  const std::string body = R"({"name": "shop", "state": "baking", "weight": {"target": WEIGHT},
 "cohorts": {"stable": {"error_rate": 0.02, "p50": 0.0164}, "canary": {"p50": 0.0122}},
 "analysis": [{"metric": "latency_p50", "verdict": "open", "stable": null, "canary": null,
               "tolerated": null, "evidence": null}]})";
  const auto screen = [&](const std::string& weight) {
    std::string text = body;
    text.replace(text.find("WEIGHT"), 6, weight);
    return render_rollout(text, "", {.columns = 100, .color = false, .utf8 = true}).value();
  };
  EXPECT_NE(screen("50").find("  errors          2.00 %          -\n"), std::string::npos);
  EXPECT_NE(screen("50").find("  latency p50    16.4 ms    12.2 ms\n"), std::string::npos);
  EXPECT_NE(screen("100").find("  errors               -          -\n"), std::string::npos);
  EXPECT_NE(screen("100").find("  latency p50          -    12.2 ms\n"), std::string::npos);
}

TEST(StatusScreen, ClientErrorsHaveARowWhereTheyAreJudged) {
  const std::string screen = render_rollout(R"({"name": "a", "state": "progressing", "analysis": [
  {"metric": "client_errors", "verdict": "open", "stable": 0.02, "canary": 0.08,
   "tolerated": 0.023, "evidence": {"rollback": 0, "accept": 0}, "needs_about": null}]})",
                                            "",
                                            {.columns = 100, .color = false, .utf8 = true})
                                 .value();
  EXPECT_NE(screen.find("  4xx             2.00 %     8.00 %       2.30 %     0 % |"),
            std::string::npos)
      << screen;
}

TEST(StatusScreen, ShowsWhatQueriesSay) {
  constexpr const char* kQueries = R"({"name": "a", "state": "held", "analysis": [
    {"metric": "query:refunds", "verdict": "fail",
     "reading": {"value": 0.02, "min": null, "max": 0.01, "said": "is 0.02, above 0.01"}},
    {"metric": "query:orders", "verdict": "open", "reading": {"said": "has no reading yet"}},
    {"metric": "query:smoke", "verdict": "pass", "reading": {"said": "says yes"}}]})";
  ScreenOptions options{.columns = 100, .color = false, .utf8 = true};
  EXPECT_NE(render_rollout(kQueries, "", options)
                .value()
                .find("\n  ✖ query refunds is 0.02, above 0.01; good is up to 0.01\n"
                      "  ? query orders has no reading yet\n"
                      "  ✔ query smoke says yes\n"),
            std::string::npos);
  options.utf8 = false;
  EXPECT_NE(render_rollout(kQueries, "", options)
                .value()
                .find("\n  bad: query refunds is 0.02, above 0.01; good is up to 0.01\n"
                      "  open: query orders has no reading yet\n"
                      "  good: query smoke says yes\n"),
            std::string::npos);
}

TEST(StatusScreen, UsesWordsWithoutUtf8) {
  EXPECT_EQ(render({.columns = 100, .color = false, .utf8 = false}), R"(
checkout   Progressing   step 2/5   weight 5 %   for 3m10s   revision 2.4.0
           shop-v1 (stable)  ->  shop-v2 (canary)   rollback armed
  1 done -- 5 now -- 10 -- 25 gate product-owner -- 100 -- bake 1d
                  stable     canary    tolerated    evidence: bad .......... good
  requests/s        51.2       2.70     share 4.93 % of 5 ok
  requests         15433        812
  errors          0.21 %     0.25 %       0.33 %     4 % |.........o.....|  61 %   ~6m more
  latency p50    11.0 ms    12.0 ms
  latency p90    41.0 ms    43.0 ms
  latency p99    88.0 ms    90.0 ms
  user-visible failures 1 of 20   saved by fallback 3
  next: weight 10 in about 9m, when latency p99 is accepted
  10:02:00Z step 1 (1 %) passed: 540 canary requests, all metrics accepted
)");
}

TEST(StatusScreen, BreaksAndCutsOnANarrowTerminal) {
  EXPECT_EQ(render({.columns = 50, .color = false, .utf8 = true}), R"(
checkout   ◌ Progressing   step 2/5   weight 5 %
           for 3m10s   revision 2.4.0
           shop-v1 (stable)  ->  shop-v2 (canary)
           rollback armed
  1 ✔ ─── 5 ◌ ─── 10 · ─── 25 ‖product-owner
  100 · ─── bake 1d
                  stable     canary    tolerated
  requests/s        51.2       2.70
  requests         15433        812
  errors          0.21 %     0.25 %       0.33 %
  latency p50    11.0 ms    12.0 ms
  latency p90    41.0 ms    43.0 ms
  latency p99    88.0 ms    90.0 ms
  user-visible failures 1 of 20   saved by fallba…
  next: weight 10 in about 9m, when latency p99 is
        accepted
  10:02:00Z ◌ step 1 (1 %) passed: 540 canary req…
)");
}

TEST(StatusScreen, ColoursWhatMatters) {
  const std::string text = visible(render({.columns = 100, .color = true, .utf8 = true}));
  EXPECT_NE(text.find("<1>checkout<0>   <36>◌ <0><36>Progressing<0>"), std::string::npos) << text;
  EXPECT_NE(text.find("1 <32>✔<0><2> ─── <0>5 <36>◌<0>"), std::string::npos) << text;
  EXPECT_NE(text.find("25 <33>‖<0>product-owner"), std::string::npos) << text;
}

TEST(StatusScreen, NeverExceedsTheWidth) {
  for (int columns = 20; columns <= 130; ++columns) {
    for (const bool utf8 : {false, true}) {
      std::istringstream lines(render({.columns = columns, .color = false, .utf8 = utf8}));
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(display_width(line), columns) << line;
      }
    }
  }
}

TEST(StatusScreen, SaysHowItEnded) {
  const std::string text = render_rollout(R"({"name": "checkout", "state": "rolled_back",
      "reason": "errors", "mode": "enforce", "durable": false,
      "analysis": [{"metric": "errors", "verdict": "fail", "stable": 0.002, "canary": 0.041,
                    "tolerated": 0.0032, "evidence": {"rollback": 1, "accept": 0}}],
      "steps": [{"weight": 1}, {"weight": 100}], "weight": {"target": 0}})",
                                          "",
                                          {.columns = 100, .color = false, .utf8 = true})
                               .value();
  EXPECT_NE(text.find("checkout   ✖ Rolled back   weight 0 %"), std::string::npos) << text;
  EXPECT_NE(text.find("reason: errors"), std::string::npos) << text;
  EXPECT_NE(text.find("not yet stored"), std::string::npos) << text;
  EXPECT_NE(text.find("100 % |✖··············|   0 %   bad"), std::string::npos) << text;
  EXPECT_EQ(text.find("rollback armed"), std::string::npos) << text;
}

TEST(StatusScreen, SaysWhatTheJournalLacks) {
  const auto shows = [](const std::string& more, const std::string& words) {
    const std::string text = render_rollout(R"({"name": "shop", "state": "aborted", )" + more + "}",
                                            "",
                                            {.columns = 100, .color = false, .utf8 = true})
                                 .value();
    return text.find(words) != std::string::npos;
  };
  const std::string late = R"("durable": false, "journal_failing": )";
  EXPECT_TRUE(shows(late + "false", "in force, not yet stored\n"));
  EXPECT_TRUE(shows(late + "true", "in force, not yet stored: the store is failing\n"));
  EXPECT_TRUE(shows(R"("durable": true, "journal_failing": true)", "no weight rises until it can"));
  EXPECT_FALSE(shows(R"("durable": true, "journal_failing": false)", "journal"));
}

TEST(StatusScreen, SaysWhatABadVerdictWouldDo) {
  const auto second_line = [](const std::string& state, const std::string& more) {
    const std::string text =
        render_rollout(R"({"name": "shop", "stable": "v1", "canary": "v2", "state": ")" + state +
                           "\", " + more + "}",
                       "",
                       {.columns = 100, .color = false, .utf8 = true})
            .value();
    const std::size_t at = text.find("(canary)");
    return text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_EQ(second_line("paused", R"("on_failure": "rollback")"), "(canary)   rollback armed");
  EXPECT_EQ(second_line("paused", R"("on_failure": "hold")"), "(canary)   a bad verdict holds");
  EXPECT_EQ(second_line("baking", R"("on_failure": "step_down")"),
            "(canary)   a bad verdict steps down");
  EXPECT_EQ(second_line("held", R"("on_failure": "hold", "condemned": true)"), "(canary)");
  EXPECT_EQ(second_line("rolled_back", R"("on_failure": "hold")"), "(canary)");
  EXPECT_EQ(second_line("suspended", R"("mode": "observe", "on_failure": "rollback")"),
            "(canary)   observes; only circuit and exposure act");
}

// What stable does now is no figure of evidence that has ended.
TEST(StatusScreen, ErrorsAreOfNowWhereNothingIsJudged) {
  const auto errors = [](const std::string& state, const std::string& more) {
    const std::string text =
        render_rollout(R"({"name": "shop", "state": ")" + state + "\", " + more +
                           R"(,
      "cohorts": {"stable": {"error_rate": 1}, "canary": {"error_rate": 0.05}},
      "analysis": [{"metric": "errors", "stable": 0, "canary": 0.04}]})",
                       "",
                       {.columns = 100, .color = false, .utf8 = true})
            .value();
    const std::size_t at = text.find("  errors");
    return text.substr(at, text.find('\n', at) - at);
  };
  const std::string judged = "  errors          0.00 %     4.00 %";
  const std::string counted = "  errors           100 %     5.00 %";
  const std::string at_0 = R"("weight": {"target": 0})";
  const std::string at_20 = R"("weight": {"target": 20})";
  for (const char* state : {"progressing", "waiting", "held", "paused", "baking"}) {
    EXPECT_EQ(errors(state, at_20), judged) << state;
  }
  for (const char* state : {"suspended", "rolled_back", "aborted", "paused"}) {
    EXPECT_EQ(errors(state, at_0), counted) << state;
  }
  EXPECT_EQ(errors("held", at_20 + R"(, "reason": "environment_degraded")"), counted);
}

TEST(StatusScreen, WhatIsNotOfTodayHasItsDate) {
  ScreenOptions options{.columns = 100, .color = false, .utf8 = true, .today = "2026-01-06"};
  EXPECT_NE(render_rollout(kCheckout, kHistory, options)
                .value()
                .find("\n  2026-01-05 10:02:00Z ◌ step 1 (1 %) passed"),
            std::string::npos);
}

TEST(StatusScreen, OfTheHistoryTheOldestGoesFirst) {
  std::string history = R"({"items": [)";
  for (int i = 1; i <= 5; ++i) {
    history +=
        std::string(i > 1 ? ", " : "") + R"({"message": "entry )" + std::to_string(i) + "\"}";
  }
  history += "]}";
  const auto screen = [&](int rows) {
    ScreenOptions options{.columns = 100, .color = false, .utf8 = true};
    options.rows = rows;
    return render_rollout(kCheckout, history, options).value();
  };
  const std::string all = screen(0);
  const auto lines = static_cast<int>(std::count(all.begin(), all.end(), '\n'));
  EXPECT_EQ(screen(lines), all);
  EXPECT_EQ(screen(lines - 2).find("entry 2"), std::string::npos);
  EXPECT_NE(screen(lines - 2).find("entry 3"), std::string::npos);
  EXPECT_NE(screen(lines - 4).find("entry 5"), std::string::npos) << "one has room";
  // Whoever cuts a screen that ends above them says how many lines were left out.
  EXPECT_EQ(screen(lines - 5), all);
  EXPECT_EQ(screen(1), all);
}

TEST(StatusScreen, MarksAllStepsOfAPromotedRollout) {
  const std::string text =
      render_rollout(
          R"({"name": "c", "state": "promoted", "steps": [{"weight": 1}, {"weight": 100}]})",
          "",
          {.columns = 100, .color = false, .utf8 = true})
          .value();
  EXPECT_NE(text.find("1 ✔ ─── 100 ✔"), std::string::npos) << text;
}

TEST(StatusScreen, ShowsAnythingAServerMaySend) {
  const ScreenOptions options{.columns = 100, .color = false, .utf8 = true};
  for (const char* body : {"{}",
                           R"({"name": 5, "state": [], "steps": {}, "cohorts": 1})",
                           R"({"steps": [null, 1, {"weight": "x", "gate": 5}]})",
                           R"({"analysis": [{"metric": "errors", "evidence": {"accept": 1e308}}]})",
                           R"({"weight": {"target": 1e300, "actual": -1e300}})"}) {
    EXPECT_TRUE(render_rollout(body, "[]", options)) << body;
    EXPECT_TRUE(render_rollout(body, "not json", options)) << body;
    EXPECT_TRUE(render_line(body, options)) << body;
  }
  for (const char* body : {"", "[]", "null", "{", "<html>"}) {
    EXPECT_FALSE(render_rollout(body, "", options)) << body;
    EXPECT_FALSE(render_line(body, options)) << body;
  }
}

TEST(StatusScreen, KeepsEscapeSequencesOfTheServerOut) {
  const std::string evil = R"("\u001b[2J\u001b]0;title\u0007\u009b31m\r\n\u202e")";
  const std::string body = R"({"name": )" + evil + R"(, "state": )" + evil + R"(, "reason": )" +
                           evil + R"(, "revision": )" + evil + R"(, "stable": )" + evil +
                           R"(, "next": )" + evil + R"(, "for": )" + evil +
                           R"(, "steps": [{"weight": 1, "gate": )" + evil + R"(}], "bake": )" +
                           evil + "}";
  const std::string history =
      R"({"items": [{"time": )" + evil + R"(, "message": )" + evil + R"(, "to": )" + evil + "}]}";
  const ScreenOptions options{.columns = 200, .color = false, .utf8 = true};
  std::string text = render_rollout(body, history, options).value();
  text += render_line(body, options).value();
  text += render_list(R"({"items": [)" + body + "]}", true, options).value();
  for (const char* forbidden : {"\x1b", "\x07", "\r", "\xC2\x9B", "\xE2\x80\xAE"}) {
    EXPECT_EQ(text.find(forbidden), std::string::npos);
  }
}

TEST(StatusScreen, ShowsScoresOnlyWhereTheyAreJudged) {
  const auto screen = [](const std::string& metric) {
    return render_rollout(R"({"name": "shop", "state": "progressing", "analysis": [{"metric": ")" +
                              metric + R"(", "stable": 4.3, "canary": 2, "tolerated": 4.19}]})",
                          "",
                          {.columns = 120, .color = false, .utf8 = false})
        .value();
  };
  EXPECT_NE(screen("feedback").find("  feedback     4.30 of 5  2.00 of 5    4.19 of 5"),
            std::string::npos)
      << screen("feedback");
  EXPECT_EQ(screen("errors").find("feedback"), std::string::npos);
}

}  // namespace
}  // namespace canaryd::cli
