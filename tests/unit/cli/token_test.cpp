// canaryctl and a daemon that asks for tokens, or that is not there.
#include "canaryd/admin/token.hpp"

#include "canaryd/cli/commands.hpp"
#include "terminal.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace canaryd::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kToken = "token-of-the-operator";

admin::Options with_token() {
  admin::Options options;
  options.address = "127.0.0.1:0";
  options.tokens = [] {
    return std::vector<admin::Token>{{"ci", admin::Role::kOperator, admin::digest_of(kToken)}};
  };
  return options;
}

class TokenTest : public testing::Test {
 protected:
  // Cases run beside each other, each in a process of its own.
  TokenTest()
      : file_(fs::path(testing::TempDir()) /
              ("canaryctl-" + std::to_string(::getpid()) + ".token")) {
    terminal_.address = admin_.address;
  }
  ~TokenTest() override { fs::remove(file_); }
  int with_file(const std::string& text, std::vector<std::string> arguments) {
    std::ofstream(file_) << text;
    arguments.insert(arguments.end(), {"--token-file", file_.string()});
    return terminal_.run(std::move(arguments));
  }
  std::string err() const { return terminal_.err.str(); }

  test::AdminFixture admin_{with_token()};
  Terminal terminal_;
  const fs::path file_;
};

TEST_F(TokenTest, ShowsTheTokenOfTheFile) {
  EXPECT_EQ(with_file(std::string(kToken) + "\n", {"pause", "checkout"}), kExitDone) << err();
  EXPECT_EQ(admin_.backend.actions.at(0).actor, "ci");
}

TEST_F(TokenTest, SaysWhatIsMissing) {
  EXPECT_EQ(terminal_.run({"status"}), kExitUnauthorised);
  EXPECT_NE(err().find("--token-file"), std::string::npos) << err();
  EXPECT_EQ(with_file("token-of-somebody-else", {"status"}), kExitUnauthorised);
  EXPECT_EQ(err().find("somebody"), std::string::npos) << err();
  EXPECT_EQ(with_file(kToken, {"reload"}), kExitUnauthorised);
  EXPECT_NE(err().find("takes the role admin"), std::string::npos) << err();
}

TEST_F(TokenTest, RefusesAFileWithoutOne) {
  for (const char* text : {"", " \n", "two tokens", "sha256:00", "a\nb"}) {
    EXPECT_EQ(with_file(text, {"status"}), kExitUsage) << text;
    EXPECT_NE(err().find(file_.string()), std::string::npos) << err();
  }
  EXPECT_EQ(terminal_.run({"status", "--token-file", "/nonexistent/token"}), kExitUsage);
}

TEST_F(TokenTest, SaysWhatToDoWithoutADaemon) {
  EXPECT_EQ(terminal_.run({"status", "--addr", "unix:/nonexistent/admin.sock"}), kExitUnreachable);
  EXPECT_NE(err().find("canaryd run -c FILE"), std::string::npos) << err();
  EXPECT_NE(err().find("CANARYD_ADDR"), std::string::npos) << err();
}

}  // namespace
}  // namespace canaryd::cli
