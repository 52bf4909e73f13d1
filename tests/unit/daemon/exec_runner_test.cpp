#include "daemon/exec_runner.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <numeric>
#include <optional>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace canaryd::daemon {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class ExecRunnerTest : public ::testing::Test {
 protected:
  Result<control::ExecResult> run(std::vector<std::string> command,
                                  const std::string& input = {},
                                  Duration timeout = 60s) {
    control::ExecCall call;
    call.command = std::move(command);
    call.input = input;
    call.timeout = timeout;
    std::optional<Result<control::ExecResult>> answer;
    runner_.run(std::move(call), [&](Result<control::ExecResult> result) {
      EXPECT_FALSE(answer.has_value());
      answer = std::move(result);
    });
    EXPECT_FALSE(answer.has_value()) << "never inside the call";
    io_.restart();
    io_.run();
    return answer.value_or(fail(ErrorCode::kInternal, "never called"));
  }
  Result<control::ExecResult> shell(const std::string& script, const std::string& input = {}) {
    return run({"/bin/sh", "-c", script}, input);
  }

  boost::asio::io_context io_{1};
  ExecRunner runner_{io_, "/"};
};

TEST_F(ExecRunnerTest, TellsTheExitCodeAndWhatWasWritten) {
  const auto result = shell("cat; echo oops >&2; exit 3", "hello ");
  ASSERT_TRUE(result.has_value()) << describe(result.error());
  EXPECT_EQ(result->status, 3);
  EXPECT_EQ(result->output, "hello oops\n");
  EXPECT_EQ(shell("kill -TERM $$")->status, 128 + SIGTERM);
}

TEST_F(ExecRunnerTest, RunsInItsFolderAndFindsProgramsInThePath) {
  EXPECT_EQ(run({"pwd"})->output, "/\n");
  EXPECT_EQ(run({"bin/sh", "-c", "echo $0 $1", "a b", "$c"})->output, "a b $c\n");
}

TEST_F(ExecRunnerTest, WhatCannotBeStartedIsAnError) {
  const auto result = run({"./there-is-no-such-program"});
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().context, HasSubstr("No such file"));
  EXPECT_FALSE(run({"/bin/cat"}, std::string(control::kExecBytesMax + 1, 'x')).has_value());
}

TEST_F(ExecRunnerTest, TheChildIsClean) {
  // Neither kept from the child by its flag nor by anything else of ours.
  const int leaky = ::open("/dev/null", O_RDONLY);
  ASSERT_GE(leaky, 3);
  const auto result = shell("ls /proc/self/fd | wc -l; ps -o pgid= $$ | tr -d ' '; echo $$");
  ::close(leaky);
  ASSERT_TRUE(result.has_value());
  std::string descriptors;
  std::string group;
  std::string self;
  std::istringstream lines(result->output);
  lines >> descriptors >> group >> self;
  EXPECT_EQ(descriptors, "4") << "three, and the folder that ls has open: " << result->output;
  EXPECT_EQ(group, self) << "a process group of its own";
}

TEST_F(ExecRunnerTest, IsKilledAtItsTimeLimitWithAllThatItStarted) {
  const auto result = run({"/bin/sh", "-c", "sleep 1000 & sleep 1000"}, {}, 50ms);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kTimeout);
}

TEST_F(ExecRunnerTest, WhatItLeavesBehindIsKilledAndNotWaitedFor) {
  const auto result = shell("sleep 1000 & echo $!");
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->status, 0);
  EXPECT_NE(result->output, "");
}

TEST_F(ExecRunnerTest, OutputIsBounded) {
  const auto result = shell("head -c 1000000 /dev/zero");
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->output.size(), control::kExecOutputBytesMax);
}

TEST_F(ExecRunnerTest, OneMayWaitForAnother) {
  std::vector<int> statuses;
  for (int i = 0; i < 20; ++i) {
    control::ExecCall call;
    call.command = {"/bin/sh", "-c", "exit " + std::to_string(i)};
    call.timeout = 60s;
    runner_.run(std::move(call), [&](const Result<control::ExecResult>& result) {
      ASSERT_TRUE(result.has_value());
      statuses.push_back(result->status);
    });
  }
  io_.run();
  std::sort(statuses.begin(), statuses.end());
  std::vector<int> all(20);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(statuses, all);
}

// The reactor may still have news of the last one, whose descriptor had the same number.
TEST_F(ExecRunnerTest, OneThatBeginsAsAnotherEndsIsNotTakenForIt) {
  int ended = 0;
  std::function<void()> next = [&] {
    control::ExecCall call;
    call.command = {"/bin/sh", "-c", "read line; exit 7"};
    call.input = "x\n";
    call.timeout = 60s;
    runner_.run(std::move(call), [&](const Result<control::ExecResult>& result) {
      ASSERT_TRUE(result.has_value());
      EXPECT_EQ(result->status, 7) << ended;
      if (++ended < 50) next();
    });
  };
  next();
  io_.run();
  EXPECT_EQ(ended, 50);
}

TEST_F(ExecRunnerTest, WhatStillRunsEndsWithIt) {
  boost::asio::io_context io{1};
  {
    ExecRunner runner(io, "/");
    control::ExecCall call;
    call.command = {"/bin/sh", "-c", "sleep 1000"};
    call.timeout = 1h;
    runner.run(std::move(call), [](const Result<control::ExecResult>&) { FAIL(); });
    io.poll();
  }
  // Returns at once: there is no child that was not waited for.
  EXPECT_EQ(::waitpid(-1, nullptr, 0), -1);
}

}  // namespace
}  // namespace canaryd::daemon
