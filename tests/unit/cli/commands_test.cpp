// What all commands have in common: usage, help, the daemon that is meant, and what its answers
// mean.
#include "canaryd/cli/commands.hpp"

#include "commands_rig.hpp"
#include "support/scripted_server.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

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
  EXPECT_EQ(err(),
            "canaryctl: status 500: this is not canaryd's admin API; --addr is what the "
            "configuration has as admin.address, 127.0.0.1:9901 by default\n");
  EXPECT_EQ(against("404 Not Found\r\nX-Canaryd-Error: no_route", "no route\n"), kExitFailed);
  EXPECT_NE(err().find("this is a listener, not the admin API"), std::string::npos) << err();
  EXPECT_EQ(against("302 Found", ""), kExitFailed);
  EXPECT_EQ(against("200 OK", "<html>"), kExitFailed);
  EXPECT_EQ(against("400 Bad Request", R"({"detail": "\u001b[2Jgone"})"), kExitFailed);
  EXPECT_EQ(err().find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace canaryd::cli
