// Commands that change something: actions, votes, and what is asked of the daemon as a whole.
#include "canaryd/cli/commands.hpp"
#include "commands_rig.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

using control::Action;
using control::ActionStatus;

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

TEST_F(CommandsTest, AsksBeforeItEndsTheDaemon) {
  EXPECT_EQ(run({"drain"}), kExitUsage);
  EXPECT_EQ(err(), "canaryctl: drain ends the daemon: confirm with --yes\n");
  terminal_.is_terminal = true;
  terminal_.in.str("n\n");
  EXPECT_EQ(run({"drain"}), kExitFailed);
  EXPECT_NE(err().find("End the daemon at " + admin_.address + " now? [y/N] "), std::string::npos)
      << err();
  EXPECT_EQ(admin_.backend.drains, 0);
  terminal_.in.clear();
  terminal_.in.str("y\n");
  EXPECT_EQ(run({"drain"}), kExitDone);
  EXPECT_EQ(admin_.backend.drains, 1);
}

// The state is none that says it.
TEST_F(CommandsTest, SaysThatAPauseBeneathASuspensionWasTaken) {
  EXPECT_EQ(run({"pause", "checkout"}), kExitDone);
  EXPECT_EQ(out().find("comes back paused"), std::string::npos) << out();
  admin_.backend.known.at("checkout").state = "suspended";
  EXPECT_EQ(run({"pause", "checkout"}), kExitDone);
  EXPECT_EQ(out().find("paused: once the canary is well again, it comes back paused\n"), 0U)
      << out();
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

TEST_F(CommandsTest, SteersTheDaemon) {
  EXPECT_EQ(run({"config"}), kExitDone);
  EXPECT_EQ(out(), "version: 1\n");
  EXPECT_EQ(run({"drain", "--yes"}), kExitDone);
  EXPECT_EQ(out(), "draining\n");
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

}  // namespace
}  // namespace canaryd::cli
