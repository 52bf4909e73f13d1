#include "support/scripted_server.hpp"
#include "terminal.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace canaryd::cli {
namespace {

// "503 Service Unavailable" and more lines of a head, each with its end.
std::string refusal(const std::string& status, const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\n" + more + "Content-Length: 0\r\n\r\n";
}
std::string rollout_in(const std::string& state) {
  const std::string body =
      R"({"name": "checkout", "weight": {"target": 5}, "state": ")" + state + "\"}";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}
const std::string kTooMany = refusal("429 Too Many Requests", "Retry-After: 7\r\n");
const std::string kUnavailable = refusal("503 Service Unavailable");
const std::string kTooSlow = refusal("504 Gateway Timeout", "Retry-After: tomorrow\r\n");
const std::string kMuchLater = refusal("503 Service Unavailable", "Retry-After: 86400\r\n");

class FollowTest : public testing::Test {
 protected:
  FollowTest() : admin_(std::make_unique<test::AdminFixture>()) {
    terminal_.address = admin_->address;
  }
  void set_state(const std::string& state, std::optional<std::string> reason = {}) {
    admin_->on_control([&] {
      control::RolloutView& view = admin_->backend.known.at("checkout");
      view.state = state;
      view.reason = std::move(reason);
    });
  }
  void set_condemned(bool condemned) {
    admin_->on_control([&] { admin_->backend.known.at("checkout").condemned = condemned; });
  }
  void set_retire(const control::RetireView& retire) {
    admin_->on_control([&] { admin_->backend.known.at("checkout").retire = retire; });
  }
  int wait_for(const std::string& target, const std::string& state, const char* reason = nullptr) {
    set_state("progressing");
    terminal_.at_wait = [&, reason](int number) {
      if (number == 1) {
        set_state(state, reason == nullptr ? std::nullopt : std::optional<std::string>(reason));
      }
      return number < 5;
    };
    return terminal_.run({"wait", "checkout", "--for", target});
  }
  // Its exit code, where each request has the next of these answers.
  int run_against(std::vector<std::string> answers, std::vector<std::string> arguments) {
    const test::ScriptedServer server(std::move(answers));
    terminal_.address = "127.0.0.1:" + std::to_string(server.port);
    began_ = terminal_.clock.now();
    return terminal_.run(std::move(arguments));
  }
  Duration took() const { return terminal_.clock.now() - began_; }
  // The daemon, killed and started again where it was.
  void restart() {
    const std::string address = admin_->address;
    admin_.reset();
    admin_ = std::make_unique<test::AdminFixture>(admin::Options{.address = address, .limits = {}});
  }

  std::unique_ptr<test::AdminFixture> admin_;
  Terminal terminal_;
  Monotonic began_{};
};

TEST_F(FollowTest, WaitSaysTheOutcomeByItsExitCode) {
  EXPECT_EQ(wait_for("promoted", "promoted"), kExitDone);
  EXPECT_EQ(terminal_.out.str(),
            "checkout: Progressing, step 2/5, weight 5 %\n"
            "checkout: Promoted, step 2/5, weight 5 %\n");
  EXPECT_EQ(wait_for("promoted", "retired"), kExitDone);
  EXPECT_EQ(wait_for("promoted", "rolled_back"), kExitRolledBack);
  EXPECT_EQ(wait_for("promoted", "aborted"), kExitAborted);
  EXPECT_EQ(wait_for("promoted", "held", "inconclusive"), kExitStopped);
  set_retire(control::RetireView());
  EXPECT_EQ(wait_for("retired", "retired"), kExitDone);
  EXPECT_EQ(wait_for("retired", "aborted"), kExitAborted);
  EXPECT_EQ(wait_for("promoted", "held", "verdict"), kExitStopped);
  set_condemned(true);
  EXPECT_EQ(wait_for("promoted", "paused", "verdict"), kExitStopped) << "`resume` is refused";
  set_condemned(false);
  EXPECT_EQ(wait_for("promoted", "paused", "verdict"), kExitFailed) << "an operator's word";
  EXPECT_EQ(wait_for("stopped", "promoted"), kExitDone);
  EXPECT_EQ(wait_for("stopped", "rolled_back"), kExitRolledBack);
  EXPECT_EQ(wait_for("stopped", "paused"), kExitStopped);
  EXPECT_EQ(wait_for("stopped", "waiting", "gate"), kExitStopped);
  EXPECT_EQ(wait_for("stopped", "waiting", "freeze"), kExitFailed) << "goes on: interrupted";
  EXPECT_EQ(wait_for("stopped", "held", "hook"), kExitFailed) << "it is asked again";
  admin_->on_control([&] { admin_->backend.known.at("checkout").mode = "observe"; });
  EXPECT_EQ(wait_for("stopped", "waiting", "freeze"), kExitStopped) << "nothing follows from that";
  EXPECT_EQ(wait_for("stopped", "held", "hook"), kExitStopped);
}

TEST_F(FollowTest, WaitGoesOnWhileWhatTheFileMeansHasNotBegun) {
  admin_->on_control([&] { admin_->backend.known.at("checkout").postponed = "v3 has\x1b not"; });
  for (const char* state : {"promoted", "rolled_back", "paused"}) {
    EXPECT_EQ(wait_for("promoted", state), kExitFailed) << state << ": interrupted";
    EXPECT_EQ(wait_for("stopped", state), kExitFailed) << state << ": interrupted";
  }
  EXPECT_EQ(wait_for("retired", "retired"), kExitStopped) << "it never begins";
  EXPECT_EQ(terminal_.err.str().find("canaryctl: v3 has"), 0U) << terminal_.err.str();
  EXPECT_EQ(terminal_.err.str().find('\x1b'), std::string::npos);
}

// A crash would undo it, and what was waited for had not come.
TEST_F(FollowTest, WaitGoesOnUntilTheJournalHasTheOutcome) {
  const auto set_journal = [this](bool durable, bool failing) {
    admin_->on_control([&] {
      admin_->backend.known.at("checkout").durable = durable;
      admin_->backend.known.at("checkout").journal_failing = failing;
    });
  };
  const auto times_said = [this] {
    const std::string said = terminal_.err.str();
    std::size_t count = 0;
    for (std::size_t at = said.find("in the journal"); at != std::string::npos;
         at = said.find("in the journal", at + 1)) {
      ++count;
    }
    return count;
  };
  set_journal(false, false);
  for (const char* state : {"rolled_back", "aborted", "promoted", "paused"}) {
    EXPECT_EQ(wait_for("stopped", state), kExitFailed) << state << ": interrupted";
  }
  EXPECT_EQ(times_said(), 0U) << "as a rule that is a moment";
  set_state("rolled_back");
  terminal_.at_wait = [&](int number) {
    if (number == 1) set_journal(false, true);
    if (number == 3) set_journal(true, false);
    return number < 9;
  };
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "stopped"}), kExitRolledBack);
  EXPECT_EQ(times_said(), 1U) << terminal_.err.str();
  set_journal(false, false);
  terminal_.at_wait = [](int) { return true; };
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "stopped", "--timeout", "3s"}),
            kExitTimeout);
  EXPECT_NE(terminal_.err.str().find("not stopped after 3s: in force, but not in the journal yet"),
            std::string::npos)
      << terminal_.err.str();
}

// Neither the file nor time ends the retirement that is in its way.
TEST_F(FollowTest, WaitEndsWhereTheFileNamesAsStableWhatIsGivenUp) {
  control::RetireView retire;
  retire.hook = "none";
  retire.undo_until = WallTime(std::chrono::hours(24 * 365 * 60));
  set_retire(retire);
  admin_->on_control([&] { admin_->backend.known.at("checkout").postponed = "v3 has not begun"; });
  EXPECT_EQ(wait_for("promoted", "retiring"), kExitFailed) << "interrupted: somebody may come";
  retire.undo_until.reset();
  set_retire(retire);
  EXPECT_EQ(wait_for("promoted", "retiring"), kExitStopped);
  admin_->on_control([&] { admin_->backend.known.at("checkout").journal_failing = true; });
  EXPECT_EQ(wait_for("promoted", "retiring"), kExitFailed) << "it waits for the journal";
}

TEST_F(FollowTest, WaitForRetiredEndsUnderModeObserve) {
  control::RetireView retire;
  retire.hook = "none";
  set_retire(retire);
  admin_->on_control([&] { admin_->backend.known.at("checkout").mode = "observe"; });
  EXPECT_EQ(wait_for("retired", "retiring"), kExitStopped);
  EXPECT_NE(terminal_.err.str().find("`canaryctl retire checkout` gives "), std::string::npos)
      << terminal_.err.str();
}

TEST_F(FollowTest, WaitGoesOnWhileThereIsHope) {
  EXPECT_EQ(wait_for("promoted", "held", "bad_reading"), kExitFailed);
  for (const char* state : {"baking", "paused", "waiting", "suspended", "idle"}) {
    EXPECT_EQ(wait_for("promoted", state), kExitFailed) << state;  // Interrupted.
    EXPECT_EQ(terminal_.err.str(), "canaryctl: interrupted\n");
  }
  EXPECT_EQ(wait_for("promoted", "held", "no_data"), kExitFailed);
}

TEST_F(FollowTest, WaitForWhatIsNeverRetiredEndsAtOnce) {
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "retired"}), kExitStopped);
  EXPECT_EQ(terminal_.out.str(), "checkout: Progressing, step 2/5, weight 5 %\n");
  EXPECT_EQ(terminal_.err.str(), "canaryctl: checkout has no `retire` in its configuration\n");
}

TEST_F(FollowTest, WaitForTheEndOfTheOldVersionEndsWhereNobodyGoesOn) {
  EXPECT_EQ(wait_for("retired", "promoted"), kExitStopped);
  EXPECT_EQ(terminal_.err.str(), "canaryctl: checkout has no `retire` in its configuration\n");
  control::RetireView retire;
  for (const char* hook : {"none", "called"}) {
    retire.hook = hook;
    set_retire(retire);
    for (const char* state : {"promoted", "retiring"}) {
      EXPECT_EQ(wait_for("retired", state), kExitFailed) << hook << state;
      EXPECT_EQ(terminal_.err.str(), "canaryctl: interrupted\n");
    }
  }
  retire.hook = "failed";
  retire.said = "its exit code was 3";
  set_retire(retire);
  EXPECT_EQ(wait_for("retired", "retiring"), kExitStopped);
  EXPECT_EQ(terminal_.err.str(),
            "canaryctl: the decommission hook failed (its exit code was 3); `canaryctl retire "
            "checkout` calls it again\n");
  EXPECT_EQ(wait_for("promoted", "retiring"), kExitDone) << "that much is reached";
  retire.hook = "unknown";
  set_retire(retire);
  EXPECT_EQ(wait_for("retired", "retiring"), kExitStopped);
  EXPECT_NE(terminal_.err.str().find("--skip-hook"), std::string::npos) << terminal_.err.str();
  retire.hook = "none";
  retire.kept = true;
  set_retire(retire);
  EXPECT_EQ(wait_for("retired", "promoted"), kExitStopped);
  EXPECT_EQ(terminal_.err.str(),
            "canaryctl: shop-v1 is kept by `unretire`; `canaryctl retire checkout` lets it go\n");
  retire.kept = false;
  set_retire(retire);
  admin_->on_control([&] { admin_->backend.known.at("checkout").mode = "observe"; });
  EXPECT_EQ(wait_for("retired", "promoted"), kExitStopped);
  EXPECT_NE(terminal_.err.str().find("mode observe retires nothing by itself; `canaryctl retire"),
            std::string::npos)
      << terminal_.err.str();
}

TEST_F(FollowTest, WaitGivesUpInTime) {
  terminal_.at_wait = [](int) { return true; };
  const Monotonic begin = terminal_.clock.now();
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "promoted", "--timeout", "30s"}),
            kExitTimeout);
  EXPECT_EQ(terminal_.clock.now() - begin, std::chrono::seconds(30));
  EXPECT_EQ(terminal_.err.str(), "canaryctl: not promoted after 30s\n");
}

TEST_F(FollowTest, WaitGivesUpInTimeWhateverHangs) {
  const test::ScriptedServer mute("", true);
  terminal_.address = "127.0.0.1:" + std::to_string(mute.port);
  const SystemClock machine;
  const Monotonic begin = machine.now();
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "promoted", "--timeout", "1s"}),
            kExitTimeout);
  EXPECT_LT(machine.now() - begin, std::chrono::seconds(20)) << "one exchange alone may take 40";
  EXPECT_NE(terminal_.err.str().find("no answer from 127.0.0.1"), std::string::npos)
      << terminal_.err.str();
}

TEST_F(FollowTest, WaitLooksAtTheVeryEnd) {
  terminal_.at_wait = [](int) { return true; };
  const Monotonic begin = terminal_.clock.now();
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "promoted", "--timeout", "1500ms"}),
            kExitTimeout);
  EXPECT_EQ(terminal_.clock.now() - begin, std::chrono::milliseconds(1500));
}

TEST_F(FollowTest, WaitSurvivesARestart) {
  terminal_.at_wait = [&](int number) {
    if (number == 1) admin_->stop();
    if (number == 5) {
      restart();
      set_state("promoted");
    }
    return true;
  };
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "promoted"}), kExitDone);
}

TEST_F(FollowTest, WaitDoesNotWaitForADaemonThatIsGone) {
  terminal_.at_wait = [&](int number) {
    if (number == 1) admin_->stop();
    return true;
  };
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "promoted"}), kExitUnreachable);
}

TEST_F(FollowTest, WaitAsksAgainAfterWhatPasses) {
  terminal_.at_wait = [](int) { return true; };
  EXPECT_EQ(
      run_against({kTooMany, rollout_in("baking"), kUnavailable, kTooSlow, rollout_in("promoted")},
                  {"wait", "checkout", "--for", "promoted"}),
      kExitDone)
      << terminal_.err.str();
  EXPECT_EQ(took(), std::chrono::seconds(7 + 1 + 1 + 1));
  EXPECT_EQ(terminal_.out.str(), "checkout: Baking, weight 5 %\ncheckout: Promoted, weight 5 %\n");
}

TEST_F(FollowTest, WaitBearsABusyDaemonForItsTime) {
  terminal_.at_wait = [](int) { return true; };
  const std::vector<std::string> busy(10, kMuchLater);
  // What it says is bounded: at 0, 30, 60, 90 and 120 s.
  EXPECT_EQ(run_against(busy, {"wait", "checkout", "--for", "promoted"}), kExitFailed);
  EXPECT_EQ(took(), std::chrono::minutes(2));
  EXPECT_EQ(terminal_.err.str(), "canaryctl: status 503\n");
  EXPECT_EQ(run_against(busy, {"wait", "checkout", "--for", "promoted", "--timeout", "10s"}),
            kExitTimeout);
  EXPECT_EQ(took(), std::chrono::seconds(10));
  EXPECT_EQ(terminal_.err.str(), "canaryctl: not promoted after 10s: status 503\n");
}

TEST_F(FollowTest, WatchAsksAgainAfterWhatPasses) {
  terminal_.at_wait = [](int number) { return number < 4; };
  const std::string no_history = rollout_in("progressing");  // Without items.
  EXPECT_EQ(run_against({kTooMany,
                         rollout_in("progressing"),
                         no_history,
                         kUnavailable,
                         rollout_in("progressing"),
                         no_history},
                        {"status", "checkout", "--watch"}),
            kExitDone)
      << terminal_.err.str();
  EXPECT_EQ(took(), std::chrono::seconds(7 + 1 + 1 + 1));
  EXPECT_EQ(terminal_.out.str(),
            "busy, retrying\n"
            "checkout: Progressing, weight 5 %\n"
            "busy, retrying\n"
            "checkout: Progressing, weight 5 %\n");
}

TEST_F(FollowTest, WatchIntoAPipeWritesALineOnChange) {
  terminal_.at_wait = [&](int number) {
    if (number == 3) set_state("paused");
    return number < 6;
  };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  EXPECT_EQ(terminal_.out.str(),
            "checkout: Progressing, step 2/5, weight 5 %\n"
            "checkout: Paused, step 2/5, weight 5 %\n");
  set_state("progressing");
  EXPECT_EQ(terminal_.run({"status", "-w"}), kExitDone);
  EXPECT_EQ(terminal_.out.str(),
            "checkout: Progressing, step 2/5, weight 5 %\n"
            "checkout: Paused, step 2/5, weight 5 %\n");
}

TEST_F(FollowTest, WatchOnATerminalRedrawsInPlace) {
  terminal_.is_terminal = true;
  terminal_.at_wait = [](int number) { return number < 2; };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  const std::string out = terminal_.out.str();
  // Two frames of twelve lines; the second begins where the first did.
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 24) << out;
  const std::size_t again = out.find("\x1b[12A\r");
  EXPECT_EQ(std::count(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(again), '\n'), 12);
  // Without a moment in which it is blank: what is erased is behind what has been written.
  EXPECT_EQ(out.substr(again + 6, 8), "checkout") << out;
  EXPECT_TRUE(out.ends_with("\x1b[K\n\x1b[J")) << out;
}

TEST_F(FollowTest, WatchKeepsAFrameInsideTheTerminal) {
  terminal_.is_terminal = true;
  terminal_.rows = 5;
  terminal_.at_wait = [](int number) { return number < 2; };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  EXPECT_NE(terminal_.out.str().find("\x1b[4A"), std::string::npos);
  // Twelve lines, of which three have room beside the one that says so.
  EXPECT_NE(terminal_.out.str().find("\n  … 9 more\x1b[K\n"), std::string::npos)
      << terminal_.out.str();
}

TEST_F(FollowTest, WatchHidesWhatIsTypedUntilItsEnd) {
  terminal_.is_terminal = true;
  terminal_.at_wait = [](int number) { return number < 3; };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  EXPECT_EQ(terminal_.typing, (std::vector<bool>{false, false, false, true}));
  terminal_.is_terminal = false;
  terminal_.typing.clear();
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  EXPECT_EQ(std::count(terminal_.typing.begin(), terminal_.typing.end(), false), 0) << "of a pipe";
}

TEST_F(FollowTest, WatchOnATerminalWithoutACursorWritesBlocks) {
  terminal_.is_terminal = true;
  terminal_.is_dumb = true;
  terminal_.at_wait = [&](int number) {
    if (number == 3) set_state("paused");
    return number < 6;
  };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  const std::string out = terminal_.out.str();
  EXPECT_EQ(out.find('\x1b'), std::string::npos) << out;
  // One of each state, each in full.
  EXPECT_TRUE(out.starts_with("checkout ")) << out;
  const std::size_t second = out.find("\n\ncheckout ");
  ASSERT_NE(second, std::string::npos) << out;
  EXPECT_EQ(out.find("\n\ncheckout ", second + 1), std::string::npos) << out;
  EXPECT_TRUE(out.ends_with("\n\n")) << out;
}

TEST_F(FollowTest, AnInterruptEndsThemWhereThereIsNoAnswer) {
  bool is_interrupted = false;
  terminal_.interrupted = [&] { return is_interrupted; };
  terminal_.at_wait = [&](int number) {
    if (number == 1) {
      admin_->stop();
      is_interrupted = true;
    }
    return number < 5;
  };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  EXPECT_EQ(terminal_.out.str(), "checkout: Progressing, step 2/5, weight 5 %\n");
  EXPECT_EQ(terminal_.err.str(), "");
  is_interrupted = false;
  restart();
  EXPECT_EQ(terminal_.run({"wait", "checkout", "--for", "promoted"}), kExitFailed);
  EXPECT_EQ(terminal_.err.str(), "canaryctl: interrupted\n");
}

TEST_F(FollowTest, WatchSurvivesARestart) {
  terminal_.at_wait = [&](int number) {
    if (number == 2) admin_->stop();
    if (number == 5) restart();
    return number < 8;
  };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitDone);
  EXPECT_EQ(terminal_.out.str(),
            "checkout: Progressing, step 2/5, weight 5 %\n"
            "not reachable, retrying\n"
            "checkout: Progressing, step 2/5, weight 5 %\n");
}

TEST_F(FollowTest, WatchEndsWhenTheRolloutIsGone) {
  terminal_.at_wait = [&](int number) {
    if (number == 2) admin_->on_control([&] { admin_->backend.known.clear(); });
    return true;
  };
  EXPECT_EQ(terminal_.run({"status", "checkout", "--watch"}), kExitFailed);
  EXPECT_EQ(terminal_.err.str(), "canaryctl: there is no such rollout\n");
}

}  // namespace
}  // namespace canaryd::cli
