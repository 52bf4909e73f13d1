#include "terminal.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

constexpr const char* kRunning = R"(version: 1
listeners:
  - {name: public, address: 127.0.0.1:8080}
upstreams:
  shop-v1: {endpoints: [127.0.0.1:9001]}
  shop-v2: {endpoints: [127.0.0.1:9002]}
rollouts:
  checkout: {stable: shop-v1, canary: shop-v2, revision: "2.4.0"}
  old: {stable: shop-v1, canary: shop-v2}
routes:
  - {name: shop, match: {path_prefix: /}, rollout: checkout}
  - {name: old, match: {path_prefix: /old}, rollout: old}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest() {
    terminal_.address = admin_.address;
    admin_.backend.config = kRunning;
  }
  int run(std::vector<std::string> arguments) { return terminal_.run(std::move(arguments)); }
  std::string out() const { return terminal_.out.str(); }
  std::string err() const { return terminal_.err.str(); }
  void file(std::string text) { terminal_.files["etc/new.yaml"] = std::move(text); }

  test::AdminFixture admin_;
  Terminal terminal_;
};

TEST_F(ConfigFileTest, ChecksAFileWithoutADaemon) {
  admin_.stop();
  file(kRunning);
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(out().find("etc/new.yaml is valid; canaryctl diff etc/new.yaml says"), out().npos)
      << out();
  file(replaced(kRunning, "stable: shop-v1", "stabel: shop-v1"));
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitConfigInvalid);
  EXPECT_NE(err().find("etc/new.yaml:8:"), err().npos) << err();
  EXPECT_NE(err().find("did you mean \"stable\"?"), err().npos) << err();
  EXPECT_EQ(run({"check", "etc/new.yaml", "-o", "json"}), kExitConfigInvalid);
  EXPECT_NE(out().find("\"valid\":false"), out().npos) << out();
  EXPECT_EQ(run({"check", "nowhere.yaml"}), kExitConfigInvalid);
  EXPECT_NE(err().find("nowhere.yaml: error: cannot be read: No such file"), err().npos) << err();
  file(replaced(kRunning, "2.4.0", "${SET}"));
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_EQ(run({"check", "etc/new.yaml", "--set", "nonsense"}), kExitUsage);
}

// Two minutes: 60 and 180 requests a second to stable, of which 1 % and 2 % fail.
std::vector<control::PointView> two_minutes() {
  std::vector<control::PointView> points(2);
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i].over = std::chrono::minutes(1);
    points[i].stable.requests = i == 0 ? 3600 : 10800;
    points[i].stable.error_rate = i == 0 ? 0.01 : 0.02;
    points[i].canary.requests = 1800;
  }
  return points;
}

TEST_F(ConfigFileTest, JudgesAPlanByWhatTheDaemonHasSeen) {
  file(kRunning);
  admin_.backend.points = two_minutes();
  EXPECT_EQ(run({"check", "etc/new.yaml", "--learned"}), kExitDone) << err();
  EXPECT_NE(out().find("checkout: at 150 requests/s and 1.8 % errors (seen for 2m), a canary"),
            out().npos)
      << out();
  EXPECT_NE(out().find("old: the daemon has not seen enough of its traffic\n"), out().npos)
      << out();
  EXPECT_EQ(run({"check", "etc/new.yaml", "--learned", "-o", "json"}), kExitDone) << err();
  EXPECT_NE(out().find("\"learned_seconds\":120"), out().npos) << out();
}

// 0.5 a second: a step that the file's own expectation would see pass.
TEST_F(ConfigFileTest, WarnsOfAStepThatWhatWasSeenIsTooLittleFor) {
  const std::string expecting =
      replaced(kRunning, "canary: shop-v2, rev", "canary: shop-v2, expected_rps: 5000, rev");
  file(expecting);
  admin_.backend.points = {control::PointView()};
  admin_.backend.points[0].over = std::chrono::minutes(10);
  admin_.backend.points[0].stable.requests = 300;
  admin_.backend.points[0].stable.error_rate = 0.0;
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitDone);
  EXPECT_EQ(err().find("requests/s"), err().npos) << err();
  EXPECT_EQ(run({"check", "etc/new.yaml", "--learned"}), kExitDone);
  EXPECT_NE(err().find("rollouts.checkout.steps[0]: at 0.5 requests/s"), err().npos) << err();
}

TEST_F(ConfigFileTest, HasToReachTheDaemonToLearnFromIt) {
  file(kRunning);
  EXPECT_EQ(run({"check", "--learned"}), kExitUsage);
  admin_.stop();
  EXPECT_EQ(run({"check", "etc/new.yaml", "--learned"}), kExitUnreachable);
}

TEST_F(ConfigFileTest, ReadsWhatTheFileNames) {
  file(replaced(kRunning, "[127.0.0.1:9002]", "{file: v2.yaml}"));
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitConfigInvalid);
  EXPECT_NE(err().find("v2.yaml: error: cannot be read"), err().npos) << err();
  terminal_.files["etc/v2.yaml"] = "endpoints: [127.0.0.1:9002]\n";
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitDone) << err();
}

TEST_F(ConfigFileTest, LooksAtTheFilesOfTokens) {
  const std::string with_token =
      std::string(kRunning) +
      "admin: {tokens: [{name: ci, role: operator, token_file: ci.token}]}\n";
  file(with_token);
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitConfigInvalid);
  EXPECT_NE(err().find("ci.token: error: cannot be used, for admin.tokens.ci: not there"),
            err().npos)
      << err();
  terminal_.secrets.emplace("etc/ci.token", fail(ErrorCode::kPermission, "its mode is too open"));
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitConfigInvalid);
  EXPECT_NE(err().find("its mode is too open"), err().npos) << err();
  // It is for the daemon to read, maybe for nobody else.
  terminal_.secrets.insert_or_assign("etc/ci.token", false);
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(err().find("ci.token: warning: is not for this user to read"), err().npos) << err();
  terminal_.secrets.insert_or_assign("etc/ci.token", true);
  EXPECT_EQ(run({"check", "etc/new.yaml"}), kExitDone);
  EXPECT_EQ(err().find("ci.token"), err().npos) << err();
  // What a reload changes can be said without them.
  terminal_.secrets.clear();
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(out().find("admin.tokens"), out().npos) << out();
}

TEST_F(ConfigFileTest, SaysWhatAReloadChanges) {
  file(kRunning);
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_EQ(out(), "nothing changes\n");

  file(replaced(replaced(kRunning, "canary: shop-v2, revision", "canary: shop-v3, revision"),
                "rollouts:",
                "  shop-v3: {endpoints: [127.0.0.1:9003]}\nrollouts:"));
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_EQ(out(),
            "changes:\n"
            "  upstreams.shop-v3: added\n"
            "  rollouts.checkout.canary: shop-v2 -> shop-v3\n"
            "rollouts:\n"
            "  checkout: begins anew (Progressing, 5 %): canary shop-v2 -> shop-v3; weight 0, "
            "fresh evidence\n"
            "  old: kept: state, step and evidence stay\n")
      << out();
}

TEST_F(ConfigFileTest, ComparesWhatTheDaemonMasks) {
  const auto with = [](const std::string& url, const std::string& argument) {
    return replaced(kRunning,
                    "old: {stable: shop-v1, canary: shop-v2}",
                    "old: {stable: shop-v1, canary: shop-v2, hooks: [{on: [held], http: {url: \"" +
                        url + "\"}}, {on: [held], exec: [curl, \"" + argument + "\"]}]}");
  };
  admin_.backend.config = with("http://chat/?token=***", "***");
  file(with("http://chat/?token=s3cret", "s3cret"));
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_EQ(out(), "nothing changes\n");
  file(with("http://talk/?token=s3cret", "s3cret"));
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(out().find("rollouts.old.hooks[0].http.url: \"http://chat:80/?token=***\" -> "
                       "\"http://talk:80/?token=***\"\n"),
            out().npos)
      << out();
}

TEST_F(ConfigFileTest, TellsTheFatesOfRollouts) {
  std::string text = replaced(kRunning, "  old: {", "  other: {");
  text = replaced(text, "rollout: old", "rollout: other");
  text = replaced(
      text, "revision: \"2.4.0\"", "revision: \"2.4.0\", steps: [{weight: 50}, {weight: 100}]");
  file(text);
  EXPECT_EQ(run({"diff", "etc/new.yaml", "--set", "workers=4"}), kExitDone) << err();
  EXPECT_NE(out().find("  checkout: kept (Progressing, 5 %) with other steps: the weight stays, "
                       "and is never raised by this\n"
                       "  other: added: begins, or goes on where it stood if it was in the file "
                       "before\n"
                       "  old: ends: not in the new file; its journal stays\n"
                       "1 change waits for a restart of canaryd\n"),
            out().npos)
      << out();
  EXPECT_EQ(run({"diff", "etc/new.yaml", "-o", "json"}), kExitDone) << err();
  EXPECT_NE(out().find("\"change\": \"replanned\""), out().npos) << out();
}

TEST_F(ConfigFileTest, SaysThatUsersAreDrawnAnew) {
  const std::string salted =
      replaced(kRunning, "revision: \"2.4.0\"", "revision: \"2.4.0\", cohort: {salt: other}");
  file(salted);
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(out().find("  checkout: kept (Progressing, 5 %): state, step and evidence stay; users "
                       "are drawn anew (cohort.salt): some change version at once, in both "
                       "directions\n"),
            out().npos)
      << out();
  EXPECT_EQ(run({"diff", "etc/new.yaml", "-o", "json"}), kExitDone) << err();
  EXPECT_NE(out().find("\"why\": \"users are drawn anew (cohort.salt)"), out().npos) << out();
  for (const unsigned weight : {0U, 10000U}) {
    admin_.backend.known["checkout"].weight.target = BasisPoints(weight);
    EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
    EXPECT_EQ(out().find("drawn anew"), out().npos) << out();
  }
}

// After a promotion a new revision with the old stable version would send everybody back to it.
TEST_F(ConfigFileTest, WarnsOfTheWayBack) {
  admin_.backend.known["checkout"].state = "promoted";
  file(replaced(kRunning, "2.4.0", "2.5.0"));
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(out().find("revision 2.4.0 -> 2.5.0; weight 0, fresh evidence; sends everybody back to "
                       "shop-v1"),
            out().npos)
      << out();
  admin_.backend.known["checkout"].state = "held";
  admin_.backend.known["checkout"].weight.target = BasisPoints(10000);
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(out().find("sends everybody back to shop-v1"), out().npos) << out();
  admin_.backend.known["checkout"].state = "promoted";
  file(replaced(
      kRunning, "stable: shop-v1, canary: shop-v2, r", "stable: shop-v2, canary: shop-v1, r"));
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_EQ(out().find("sends everybody back"), out().npos) << out();
}

// The daemon has been told another one than its file says; a reload keeps to that.
TEST_F(ConfigFileTest, SaysHowAStateDirOfTheCommandLineIsNoChange) {
  admin_.backend.config = std::string(kRunning) + "state: {dir: /tmp/x}\n";
  file(kRunning);
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitDone) << err();
  EXPECT_NE(out().find("if /tmp/x is of the daemon's --state-dir, state.dir does not change: --set "
                       "state.dir=/tmp/x leaves it out\n"),
            out().npos)
      << out();
  EXPECT_EQ(run({"diff", "etc/new.yaml", "--set", "state.dir=/tmp/x"}), kExitDone) << err();
  EXPECT_EQ(out(), "nothing changes\n");
}

TEST_F(ConfigFileTest, SaysWhyThereIsNoDifference) {
  file("version: 2\n");
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitConfigInvalid);
  EXPECT_NE(err().find("etc/new.yaml:1:"), err().npos) << err();
  EXPECT_EQ(run({"check", "etc/new.yaml", "-o", "json"}), kExitConfigInvalid);
  const std::string checked = out();
  EXPECT_NE(checked.find("\"valid\":false"), checked.npos) << checked;
  EXPECT_EQ(run({"diff", "etc/new.yaml", "-o", "json"}), kExitConfigInvalid);
  EXPECT_EQ(out(), checked) << "a program is told what is wrong as well";
  EXPECT_EQ(err(), "");
  file(kRunning);
  admin_.backend.config = "version: 9\n";
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitFailed);
  EXPECT_NE(err().find("another version"), err().npos) << err();
  admin_.stop();
  EXPECT_EQ(run({"diff", "etc/new.yaml"}), kExitUnreachable);
  EXPECT_EQ(run({"diff"}), kExitUsage);
}

TEST_F(ConfigFileTest, PrintsItsManualAndCompletions) {
  EXPECT_EQ(run({"completion", "rollouts"}), kExitDone) << err();
  EXPECT_NE(out().find("checkout\n"), out().npos) << out();
  const std::string names = out();
  for (const char* const name : {"$(touch hit)", "--help", ""}) {
    admin_.backend.known[name].name = name;
  }
  EXPECT_EQ(run({"completion", "rollouts"}), kExitDone) << err();
  EXPECT_EQ(out(), names) << "a shell gets nothing but names";
  admin_.stop();
  EXPECT_EQ(run({"--help"}), kExitDone);
  std::istringstream help(out().substr(out().find("Subcommands:")));
  std::string line;
  std::getline(help, line);
  std::vector<std::string> commands;
  while (std::getline(help, line)) {
    if (line.starts_with("  ") && line[2] != ' ') {
      commands.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
  }
  EXPECT_GT(commands.size(), 20U);
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"man"}, {"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}}) {
    EXPECT_EQ(run(arguments), kExitDone) << err();
    for (const std::string& command : commands) {
      std::string escaped;
      for (const char c : command)
        escaped += c == '-' && arguments[0] == "man" ? "\\-" : std::string(1, c);
      EXPECT_NE(out().find(escaped), out().npos) << arguments.back() << " has no " << command;
    }
  }
  EXPECT_EQ(run({"completion", "tcsh"}), kExitUsage);
}

}  // namespace
}  // namespace canaryd::cli
