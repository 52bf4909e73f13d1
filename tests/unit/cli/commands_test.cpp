#include "canaryd/cli/commands.hpp"

#include "canaryd/base/ip.hpp"
#include "support/scripted_server.hpp"
#include "terminal.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

using control::Action;
using control::ActionStatus;

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() { terminal_.address = admin_.address; }
  int run(std::vector<std::string> arguments) { return terminal_.run(std::move(arguments)); }
  std::string out() const { return terminal_.out.str(); }
  std::string err() const { return terminal_.err.str(); }
  const control::ActionRequest& last_action() const { return admin_.backend.actions.back(); }

  test::AdminFixture admin_;
  Terminal terminal_;
};

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

TEST_F(CommandsTest, SendsEveryAction) {
  const std::vector<std::pair<std::vector<std::string>, Action>> commands{
      {{"start", "checkout", "--revision", "2.5"}, Action::kStart},
      {{"retry", "checkout"}, Action::kRetry},
      {{"promote", "checkout"}, Action::kPromote},
      {{"pause", "checkout"}, Action::kPause},
      {{"resume", "checkout"}, Action::kResume},
      {{"rollback", "checkout"}, Action::kRollback},
      {{"set-weight", "checkout", "12.5"}, Action::kSetWeight},
      {{"approve", "checkout", "product-owner", "--expires", "2h", "--as", "anna"},
       Action::kApprove},
      {{"unretire", "checkout"}, Action::kUnretire},
      {{"retire", "checkout", "--skip-hook"}, Action::kRetire},
      {{"abort", "checkout", "--reason", "bad \"release\""}, Action::kAbort}};
  for (const auto& [arguments, action] : commands) {
    EXPECT_EQ(run(arguments), kExitDone) << arguments[0] << err();
    EXPECT_EQ(last_action().action, action);
    const std::string first = action == Action::kApprove ? "approved product-owner\n" : "";
    EXPECT_TRUE(out().starts_with(first + "checkout: ")) << out();
  }
  const auto& actions = admin_.backend.actions;
  EXPECT_EQ(actions[0].revision, "2.5");
  EXPECT_EQ(actions[6].weight, BasisPoints(1250));
  EXPECT_EQ(actions[7].gate, "product-owner");
  EXPECT_EQ(actions[7].expires, std::chrono::hours(2));
  EXPECT_EQ(actions[7].approver, "anna");
  EXPECT_FALSE(actions[8].skip_hook);
  EXPECT_TRUE(actions[9].skip_hook);
  EXPECT_EQ(actions[10].reason, "bad \"release\"");
  EXPECT_EQ(out(), "checkout: Aborted, step 2/5, weight 5 %\n");
}

TEST_F(CommandsTest, SendsAWeightHoweverItIsWritten) {
  const std::vector<std::pair<std::string, unsigned>> weights{{"5", 500},
                                                              {"05", 500},
                                                              {"00", 0},
                                                              {"0", 0},
                                                              {"007.50", 750},
                                                              {"0.05", 5},
                                                              {"100.00", 10000}};
  for (const auto& [written, points] : weights) {
    EXPECT_EQ(run({"set-weight", "checkout", written}), kExitDone) << written << err();
    EXPECT_EQ(last_action().weight, BasisPoints(points)) << written;
  }
}

TEST_F(CommandsTest, DoesNothingAtAnotherGeneration) {
  const std::uint64_t generation = admin_.backend.known.at("checkout").generation;
  EXPECT_EQ(run({"promote", "checkout", "--if-match", std::to_string(generation)}), kExitDone);
  EXPECT_EQ(last_action().if_match, generation);
  EXPECT_EQ(run({"promote", "checkout", "--if-match", std::to_string(generation + 7)}),
            kExitRefused);
  EXPECT_EQ(run({"promote", "checkout", "--if-match", "latest"}), kExitUsage);
}

TEST_F(CommandsTest, DoesNothingTwiceWithOneKey) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(run({"promote", "checkout", "--idempotency-key", "build-17"}), kExitDone) << err();
  }
  EXPECT_EQ(admin_.backend.actions.size(), 1U);
  EXPECT_EQ(run({"promote", "checkout", "--idempotency-key", "build-18"}), kExitDone);
  EXPECT_EQ(admin_.backend.actions.size(), 2U);
  EXPECT_EQ(run({"promote", "checkout", "--idempotency-key", "a b"}), kExitUsage);
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

TEST_F(CommandsTest, AsksBeforeAFullPromotion) {
  EXPECT_EQ(run({"promote", "checkout", "--full"}), kExitUsage);
  EXPECT_NE(err().find("--yes"), std::string::npos) << err();
  EXPECT_TRUE(admin_.backend.actions.empty());

  terminal_.is_terminal = true;
  terminal_.in.str("n\n");
  EXPECT_EQ(run({"promote", "checkout", "--full"}), kExitFailed);
  terminal_.in.clear();
  terminal_.in.str("");  // End of input.
  EXPECT_EQ(run({"promote", "checkout", "--full"}), kExitFailed);
  EXPECT_TRUE(admin_.backend.actions.empty());

  terminal_.in.clear();
  terminal_.in.str("y\n");
  EXPECT_EQ(run({"promote", "checkout", "--full"}), kExitDone);
  EXPECT_TRUE(last_action().full);

  terminal_.is_terminal = false;
  EXPECT_EQ(run({"promote", "checkout", "--full", "--yes"}), kExitDone);
  EXPECT_EQ(admin_.backend.actions.size(), 2U);
}

TEST_F(CommandsTest, TellsRefusedFromNotFoundAndNotDurable) {
  admin_.backend.status = ActionStatus::kRefused;
  admin_.backend.detail = "the rollout is retired";
  EXPECT_EQ(run({"abort", "checkout"}), kExitRefused);
  EXPECT_EQ(err(), "canaryctl: the rollout is retired\n");
  EXPECT_EQ(out(), "");
  EXPECT_EQ(run({"abort", "nobody"}), kExitFailed);
  EXPECT_EQ(run({"status", "nobody"}), kExitFailed);
  EXPECT_EQ(err(), "canaryctl: there is no such rollout; there is checkout\n");
  admin_.backend.status = ActionStatus::kNotDurable;
  EXPECT_EQ(run({"abort", "checkout"}), kExitDone);
  EXPECT_NE(err().find("not yet stored"), std::string::npos) << err();
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

TEST_F(CommandsTest, SteersTheDaemon) {
  EXPECT_EQ(run({"config"}), kExitDone);
  EXPECT_EQ(out(), "version: 1\n");
  EXPECT_EQ(run({"drain"}), kExitDone);
  EXPECT_EQ(admin_.backend.drains, 1);
  EXPECT_EQ(run({"log-level", "debug"}), kExitDone);
  EXPECT_EQ(admin_.backend.level, "debug");
  EXPECT_EQ(run({"reload"}), kExitDone);
  admin_.backend.reload_result = {true,
                                  {{"c.yaml", 4, 1, "warning", "odd", ""},
                                   {"", 0, 0, "warning", "workers needs a restart", ""}}};
  EXPECT_EQ(run({"reload"}), kExitDone);
  EXPECT_EQ(err(), "c.yaml:4:1: warning: odd\nwarning: workers needs a restart\n");
  EXPECT_EQ(out(), "reloaded\n");
  admin_.backend.reload_result = {
      false, {{"canaryd.yaml", 42, 10, "error", "unknown key", "did you mean x?"}}};
  EXPECT_EQ(run({"reload"}), kExitConfigInvalid);
  EXPECT_NE(err().find("\ncanaryd.yaml:42:10: error: unknown key; did you mean x?\n"),
            std::string::npos)
      << err();
  EXPECT_EQ(run({"reload", "-o", "json"}), kExitConfigInvalid);
  const auto answer = boost::json::parse(out()).as_object();
  EXPECT_EQ(answer.at("status"), 422);
  EXPECT_EQ(answer.at("problems").at(0).at("line"), 42);
  EXPECT_EQ(err(), "");
}

TEST_F(CommandsTest, RefusesWrongUsage) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"explode"},
           {"pause"},
           {"pause", "checkout", "extra"},
           {"pause", "Check Out"},
           {"pause", "../../drain"},
           {"pause", "-checkout"},
           {"pause", ""},
           {"set-weight", "checkout"},
           {"set-weight", "checkout", "101"},
           {"set-weight", "checkout", "1.234"},
           {"set-weight", "checkout", "-1"},
           {"approve", "checkout"},
           {"approve", "checkout", "g", "--expires", "soon"},
           {"approve", "checkout", "g", "--expires", ""},
           {"approve", "checkout", "g", "--as", ""},
           {"start", "checkout", "--revision", ""},
           {"rollback", "checkout", "--over", ""},
           {"history", "--verify", "--head", ""},
           {"wait", "checkout"},
           {"wait", "checkout", "--for", "ever"},
           {"wait", "checkout", "--for", "promoted", "--timeout", "30"},
           {"history", "--limit", "0"},
           {"log-level", "loud"},
           {"status", "-o", "xml"},
           {"status", "--addr", "nonsense"}}) {
    EXPECT_EQ(run(arguments), kExitUsage) << testing::PrintToString(arguments);
    EXPECT_NE(err(), "");
    EXPECT_EQ(out(), "");
  }
  EXPECT_TRUE(admin_.backend.actions.empty());
}

TEST_F(CommandsTest, NamesAWordThatIsNoCommand) {
  const auto said = [](const std::string& word, const std::string& meant) {
    return "There is no command \"" + word + "\"" +
           (meant.empty() ? "" : ": did you mean " + meant + "?") +
           "\nRun with --help for more information.\n";
  };
  EXPECT_EQ(run({"promot", "checkout"}), kExitUsage);
  EXPECT_EQ(err(), said("promot", "\"promote\""));
  EXPECT_EQ(run({"-o", "json", "stauts"}), kExitUsage);
  EXPECT_EQ(err(), said("stauts", "\"status\""));
  EXPECT_EQ(run({"frobnicate"}), kExitUsage);
  EXPECT_EQ(err(), said("frobnicate", ""));
  EXPECT_EQ(run({"status", "--wach"}), kExitUsage);
  EXPECT_EQ(err(),
            "The following argument was not expected: --wach: did you mean \"--watch\"?\n"
            "Run with --help for more information.\n");
  EXPECT_EQ(run({"set-weight", "checkout", "5%"}), kExitUsage);
  EXPECT_NE(err().find("at most two decimals: leave the % sign out\n"), std::string::npos) << err();
  EXPECT_EQ(run({"\x1b[2J"}), kExitUsage);
  EXPECT_EQ(err().find('\x1b'), std::string::npos) << err();
  EXPECT_EQ(run({}), kExitUsage);
  EXPECT_EQ(err().find("There is no command"), std::string::npos) << err();
}

TEST_F(CommandsTest, ExplainsItself) {
  EXPECT_EQ(run({"--help"}), kExitDone);
  EXPECT_NE(out().find("set-weight"), std::string::npos);
  EXPECT_EQ(run({"wait", "--help"}), kExitDone);
  EXPECT_NE(out().find("--timeout"), std::string::npos);
  EXPECT_EQ(run({"--version"}), kExitDone);
  EXPECT_TRUE(out().starts_with("canaryctl 0.")) << out();
}

TEST_F(CommandsTest, FindsTheDaemonByFlagBeforeEnvironment) {
  terminal_.address = "127.0.0.1:1";
  EXPECT_EQ(run({"status", "--addr", "http://" + admin_.address}), kExitDone) << err();
  EXPECT_EQ(run({"--addr", admin_.address, "pause", "checkout"}), kExitDone) << err();
}

TEST_F(CommandsTest, SaysWhenTheDaemonIsNotThere) {
  admin_.stop();
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"status"},
           {"status", "checkout", "--watch"},
           {"abort", "checkout"},
           {"history"},
           {"wait", "checkout", "--for", "promoted"},
           {"status", "--addr", "unix:/nonexistent/admin.sock"}}) {
    terminal_.at_wait = [](int number) { return number == 0; };
    EXPECT_EQ(run(arguments), kExitUnreachable) << arguments[0];
    EXPECT_NE(err().find("cannot connect"), std::string::npos) << err();
  }
}

TEST_F(CommandsTest, MapsOtherAnswers) {
  const auto against = [this](const std::string& status, const std::string& body) {
    test::ScriptedServer server("HTTP/1.1 " + status + "\r\nContent-Length: " +
                                std::to_string(body.size()) + "\r\n\r\n" + body);
    return run({"status", "--addr", "127.0.0.1:" + std::to_string(server.port)});
  };
  EXPECT_EQ(against("401 Unauthorized", ""), kExitUnauthorised);
  EXPECT_EQ(against("403 Forbidden", "{}"), kExitUnauthorised);
  EXPECT_EQ(against("412 Precondition Failed", "{}"), kExitRefused);
  EXPECT_EQ(against("504 Gateway Timeout", "{}"), kExitTimeout);
  EXPECT_EQ(against("500 Internal Server Error", "<html>"), kExitFailed);
  EXPECT_EQ(err(), "canaryctl: status 500\n");
  EXPECT_EQ(against("302 Found", ""), kExitFailed);
  EXPECT_EQ(against("200 OK", "<html>"), kExitFailed);
  EXPECT_EQ(against("400 Bad Request", R"({"detail": "\u001b[2Jgone"})"), kExitFailed);
  EXPECT_EQ(err().find('\x1b'), std::string::npos);
}

TEST_F(CommandsTest, EntersFeedback) {
  auto& backend = admin_.backend;
  EXPECT_EQ(run({"feedback",
                 "checkout",
                 "--cohort",
                 "canary",
                 "--score",
                 "2",
                 "--comment",
                 "said \"slow\"",
                 "--id",
                 "u1"}),
            kExitDone)
      << err();
  EXPECT_EQ(out(), "counted\n");
  ASSERT_EQ(backend.votes.size(), 1U);
  EXPECT_EQ(backend.votes[0].cohort, Cohort::kCanary);
  EXPECT_EQ(backend.votes[0].score, 2U);
  EXPECT_EQ(backend.votes[0].comment, "said \"slow\"");
  EXPECT_EQ(backend.votes[0].id, "u1");
  backend.feedback_status = control::FeedbackStatus::kDuplicate;
  EXPECT_EQ(run({"feedback", "checkout", "--cohort", "stable", "--score", "5"}), kExitDone);
  EXPECT_NE(out().find("voted already"), std::string::npos);
  backend.feedback_status = control::FeedbackStatus::kNoEvidence;
  EXPECT_EQ(run({"feedback", "checkout", "--cohort", "stable", "--score", "5"}), kExitDone);
  EXPECT_NE(out().find("nothing to compare"), std::string::npos);
  backend.feedback_status = control::FeedbackStatus::kRateLimited;
  EXPECT_EQ(run({"feedback", "checkout", "--cohort", "stable", "--score", "5"}), kExitFailed);
  for (const char* score : {"0", "6", "4.5", "x"}) {
    EXPECT_EQ(run({"feedback", "checkout", "--cohort", "stable", "--score", score}), kExitUsage);
  }
  EXPECT_EQ(run({"feedback", "checkout", "--cohort", "none", "--score", "1"}), kExitUsage);
  EXPECT_EQ(run({"feedback", "nobody", "--cohort", "stable", "--score", "1"}), kExitFailed);
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

}  // namespace
}  // namespace canaryd::cli
