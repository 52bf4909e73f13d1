// Commands that change nothing.
#include "canaryd/cli/commands.hpp"
#include "commands_rig.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

TEST_F(CommandsTest, ShowsOneRolloutAndAll) {
  EXPECT_EQ(run({"status", "checkout"}), kExitDone) << err();
  EXPECT_NE(out().find("checkout   ◌ Progressing   step 2/5"), std::string::npos) << out();
  EXPECT_EQ(run({"status"}), kExitDone);
  EXPECT_NE(out().find("NAME"), std::string::npos) << out();
  EXPECT_EQ(run({"status", "-o", "wide"}), kExitDone);
  EXPECT_NE(out().find("RPS"), std::string::npos) << out();
  EXPECT_EQ(run({"status", "checkout", "-o", "json"}), kExitDone);
  EXPECT_NE(out().find("\n  \"generation\": 17,\n"), std::string::npos) << out();
}

TEST_F(CommandsTest, ExplainsARoute) {
  EXPECT_EQ(run({"explain-route",
                 "GET",
                 "/x",
                 "-H",
                 "X-A: 1",
                 "-H",
                 "x:2",
                 "-H",
                 "X-A:",
                 "--client",
                 "10.0.0.1"}),
            kExitDone)
      << err();
  EXPECT_EQ(out(),
            "  listener  public\n"
            "  client    127.0.0.1\n"
            "  request   GET shop/x\n"
            "  route     shop (path_prefix /)\n"
            "  rollout   checkout, progressing, weight 5 %\n"
            "  key       header X-User-Id, bucket 143 of 10000\n"
            "  cohort    canary\n"
            "  upstream  shop-v2: 127.0.0.1:9003\n"
            "  mirror    shop-v3, copies of 10 % of the keys\n"
            "  why       bucket 143 of 10000 is below the weight of 5 %\n");
  const control::ExplainRequest& asked = admin_.backend.questions.back();
  EXPECT_EQ(asked.method, "GET");
  EXPECT_EQ(asked.url, "/x");
  EXPECT_EQ(asked.client, "10.0.0.1");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(asked.headers, (Headers{{"X-A", "1"}, {"X-A", ""}, {"x", "2"}}));
  EXPECT_EQ(run({"explain-route", "GET", "/x", "-o", "json"}), kExitDone);
  EXPECT_NE(out().find("\"bucket\": 143"), std::string::npos) << out();
  EXPECT_EQ(run({"explain-route", "GET", "/x", "-H", "nonsense"}), kExitUsage);
  EXPECT_EQ(run({"explain-route", "GET", "odd"}), kExitFailed);
  EXPECT_NE(err().find("that makes no request"), std::string::npos) << err();
  EXPECT_EQ(run({"explain-route", "GET"}), kExitUsage);
}

TEST_F(CommandsTest, VerifiesAVerdict) {
  control::VerificationView view;
  view.result = control::VerifyResult::kSame;
  admin_.backend.verification = view;
  EXPECT_EQ(run({"explain", "checkout", "--verify", "--at", "41"}), kExitDone) << err();
  EXPECT_EQ(admin_.backend.last_verify.at, 41U);
  EXPECT_NE(out().find("same: "), std::string::npos) << out();
  EXPECT_EQ(run({"explain", "checkout", "--verify", "-o", "json"}), kExitDone) << err();
  EXPECT_NE(out().find("\"result\": \"same\""), std::string::npos) << out();
  for (const auto other : {control::VerifyResult::kDifferent,
                           control::VerifyResult::kDamaged,
                           control::VerifyResult::kNotVerifiable}) {
    view.result = other;
    admin_.backend.verification = view;
    EXPECT_EQ(run({"explain", "checkout", "--verify"}), kExitFailed) << out();
  }
  EXPECT_EQ(run({"explain", "nobody", "--verify"}), kExitFailed);
  EXPECT_EQ(run({"explain", "checkout", "--at", "41"}), kExitUsage);
  EXPECT_EQ(run({"explain", "checkout", "--verify", "--at", "x"}), kExitUsage);
}

TEST_F(CommandsTest, SaysWhatBlocksARetirement) {
  control::RolloutView& view = admin_.backend.known.at("checkout");
  EXPECT_EQ(run({"retire", "checkout", "--dry-run"}), kExitRefused);
  EXPECT_NE(out().find("has no `retire`"), std::string::npos) << out();
  view.state = "promoted";
  view.retire.emplace();
  view.retire->idle_for = std::chrono::hours(1);
  view.retire->idle = std::chrono::minutes(3);
  view.retire->open = 2;
  view.retire->blocked = true;
  view.retire->has_hook = true;
  view.retire->needed_by = {"route rest"};
  view.retire->stragglers = {{"shop", "force", "192.0.2.7", "report/1\x1b[2J", 3, WallTime()}};
  EXPECT_EQ(run({"retire", "checkout", "--dry-run"}), kExitRefused);
  EXPECT_NE(out().find("not retirable: shop-v1 has been idle for 3m of 1h, 2 requests or tunnels"),
            std::string::npos)
      << out();
  EXPECT_NE(out().find("  still used by 192.0.2.7 (report/1"), std::string::npos) << out();
  EXPECT_NE(out().find("on route shop, force, 3 times"), std::string::npos) << out();
  EXPECT_NE(out().find("the hook will be left out: needed by route rest"), std::string::npos);
  EXPECT_EQ(out().find('\x1b'), std::string::npos);
  EXPECT_TRUE(admin_.backend.actions.empty()) << "nothing was asked for";
  EXPECT_EQ(run({"status", "checkout"}), kExitDone);
  EXPECT_NE(out().find("  still used by 192.0.2.7"), std::string::npos) << out();
  view.retire->blocked = false;
  EXPECT_EQ(run({"retire", "checkout", "--dry-run"}), kExitDone);
  EXPECT_NE(out().find("retirable: shop-v1"), std::string::npos) << out();
  view.frozen_until = WallTime(std::chrono::hours(1));
  EXPECT_EQ(run({"retire", "checkout", "--dry-run"}), kExitRefused);
  EXPECT_NE(out().find("not retirable: shop-v1"), std::string::npos) << out();
  EXPECT_NE(out().find("; frozen until 1970-01-01T01:00:00Z"), std::string::npos) << out();
  view.state = "retiring";
  view.retire->hook = "failed";
  EXPECT_EQ(run({"retire", "checkout", "--dry-run"}), kExitRefused);
  EXPECT_NE(out().find("; frozen until 1970-01-01T01:00:00Z"), std::string::npos) << out();
  view.retire->hook = "none";  // The window is over, and the freeze is what it waits for.
  EXPECT_EQ(run({"retire", "checkout", "--dry-run"}), kExitRefused);
  view.retire->undo_until = WallTime(std::chrono::hours(2));
  EXPECT_EQ(run({"retire", "checkout", "--dry-run"}), kExitDone);
  view.frozen_until.reset();
  EXPECT_EQ(run({"retire", "checkout", "--dry-run", "-o", "json"}), kExitDone);
  EXPECT_NE(out().find("\"needed_by\": ["), std::string::npos) << out();
}

TEST_F(CommandsTest, PrintsHistory) {
  control::HistoryRow row;
  row.id = 1;
  row.time = terminal_.clock.wall_now();
  row.rollout = "checkout";
  row.to = "aborted";
  row.reason = "bad\x1b[2J";
  row.actor = "uid:0";
  row.message = "aborted at 5 %";
  admin_.backend.rows = {row};
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"history"}, {"history", "checkout", "--limit", "7"}}) {
    EXPECT_EQ(run(arguments), kExitDone) << err();
    EXPECT_EQ(out(),
              "2026-01-05T10:00:00Z  checkout  aborted at 5 % (bad\xEF\xBF\xBD[2J)  by uid:0\n");
  }
  EXPECT_EQ(admin_.backend.last_query.limit, 7U);
  EXPECT_EQ(run({"history", "-o", "json"}), kExitDone);
  EXPECT_NE(out().find("\"reason\": \"bad\\u001b[2J\""), std::string::npos) << out();
  EXPECT_EQ(run({"history", "nobody"}), kExitFailed);
}

TEST_F(CommandsTest, HistorySaysNothingTwice) {
  control::HistoryRow row;
  row.time = terminal_.clock.wall_now();
  row.rollout = "checkout";
  row.to = "paused";
  row.reason = "operator";
  row.actor = "local";
  row.message = "paused checkout at 5 % (by local)";
  row.id = 2;
  admin_.backend.rows = {row};
  row.id = 1;
  row.reason = "lunch";
  row.message = "paused checkout at 1 %: lunch (by local)";
  admin_.backend.rows.push_back(row);
  EXPECT_EQ(run({"history"}), kExitDone) << err();
  EXPECT_EQ(out(),
            "2026-01-05T10:00:00Z  checkout  paused checkout at 1 %: lunch (by local)\n"
            "2026-01-05T10:00:00Z  checkout  paused checkout at 5 % (by local)\n");
}

// What `explain --verify --at` takes has to be somewhere to be seen.
TEST_F(CommandsTest, ShowsTheIdsOfTheHistoryWhereItIsWide) {
  control::HistoryRow row;
  row.time = terminal_.clock.wall_now();
  row.rollout = "checkout";
  row.actor = "local";
  row.message = "paused checkout (by local)";
  row.id = 9;
  admin_.backend.rows = {row};
  row.id = 12;
  row.message = "resumed checkout (by local)";
  admin_.backend.rows.push_back(row);
  admin_.backend.comment_list = {{row.time, "checkout", "canary", 2, "anna", "slow"}};
  EXPECT_EQ(run({"history", "-o", "wide"}), kExitDone) << err();
  EXPECT_EQ(out(),
            " -  2026-01-05T10:00:00Z  checkout  feedback 2 of 5 (canary): slow  by anna\n"
            " 9  2026-01-05T10:00:00Z  checkout  paused checkout (by local)\n"
            "12  2026-01-05T10:00:00Z  checkout  resumed checkout (by local)\n");
  EXPECT_EQ(run({"history"}), kExitDone) << err();
  EXPECT_EQ(out().find("12  "), out().npos) << out();
}

TEST_F(CommandsTest, PutsWhatUsersSaidIntoTheHistory) {
  using std::chrono::seconds;
  control::HistoryRow row;
  row.time = WallTime(seconds(1767607200));
  row.rollout = "checkout";
  row.message = "started";
  admin_.backend.rows = {row};
  admin_.backend.comment_list = {
      {WallTime(seconds(1767607100)), "checkout", "stable", 5, "anna", "before it"},
      {WallTime(seconds(1767607300)), "checkout", "canary", 1, "browser", "bad\x1b[2J"}};
  EXPECT_EQ(run({"history", "checkout", "--limit", "7"}), kExitDone) << err();
  EXPECT_EQ(admin_.backend.comments_asked, 7U);
  EXPECT_EQ(out(),
            "2026-01-05T09:58:20Z  checkout  feedback 5 of 5 (stable): before it  by anna\n"
            "2026-01-05T10:00:00Z  checkout  started\n"
            "2026-01-05T10:01:40Z  checkout  feedback 1 of 5 (canary): bad\xEF\xBF\xBD[2J  by "
            "browser\n");
}

TEST_F(CommandsTest, ChecksTheHistory) {
  const std::string hash(64, 'a');
  control::HistoryCheckView view;
  view.why = "every entry has the hash that it should have";
  view.entries = 1234;
  view.pruned = 7;
  view.rollout = "checkout";
  view.of_rollout = 17;
  view.first = view.last = WallTime(std::chrono::seconds(1767607320));
  view.head = {1241, hash};
  admin_.backend.history_check = view;
  EXPECT_EQ(run({"history", "checkout", "--verify", "--head", "9:" + hash}), kExitDone) << err();
  EXPECT_EQ(admin_.backend.last_history_check.rollout, "checkout");
  EXPECT_EQ(admin_.backend.last_history_check.known->id, 9U);
  EXPECT_EQ(out(),
            "whole: every entry has the hash that it should have\n"
            "  1234 entries, from 2026-01-05T10:02:00Z to 2026-01-05T10:02:00Z, 17 of them of "
            "checkout; 7 were taken out by retention\n"
            "  head 1241:" +
                hash + "\n");
  view.pruned = 1;
  admin_.backend.history_check = view;
  EXPECT_EQ(run({"history", "--verify"}), kExitDone) << err();
  EXPECT_NE(out().find("; 1 was taken out by retention\n"), std::string::npos) << out();
  view.result = control::HistoryResult::kBroken;
  view.bad_id = 3;
  admin_.backend.history_check = view;
  EXPECT_EQ(run({"history", "--verify"}), kExitFailed) << out();
  EXPECT_NE(out().find("broken: "), std::string::npos) << out();
  EXPECT_EQ(run({"history", "--verify", "-o", "json"}), kExitFailed);
  EXPECT_NE(out().find("\"bad_id\": 3"), std::string::npos) << out();
  view.result = control::HistoryResult::kUnknownHead;
  admin_.backend.history_check = view;
  EXPECT_EQ(run({"history", "--verify"}), kExitFailed);
  EXPECT_EQ(run({"history", "--head", "9:" + hash}), kExitUsage);
  EXPECT_EQ(run({"history", "--verify", "--head", "?x=1"}), kExitUsage);
}

}  // namespace
}  // namespace canaryd::cli
