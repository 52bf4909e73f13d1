#include "canaryd/base/log.hpp"

#include "canaryd/base/units.hpp"
#include "support/manual_clock.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace canaryd {
namespace {

constexpr LogEvent kEvent{"control", "transition"};

using test::ManualClock;

class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string pattern = testing::TempDir() + "canaryd_log_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / "canaryd.log";
  }
  ~LogTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Log> open(LogFormat format, std::size_t queue_lines = 4096) {
    LogOptions options;
    options.format = format;
    options.file = path_;
    options.queue_lines = queue_lines;
    return Log::open(options, clock_).value();
  }

  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  ManualClock clock_;
  std::filesystem::path folder_;
  std::filesystem::path path_;
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  const auto log = open(LogFormat::kJson);
  log->info(kEvent,
            "rolled back checkout at 5 %",
            {{"rollout", "checkout"},
             {"weight", 0},
             {"share", 4.1},
             {"durable", true},
             {"count", std::size_t{7}}});
  ASSERT_TRUE(log->flush());
  const std::string ts = format_time(clock_.wall_now());
  EXPECT_EQ(read(path_),
            R"({"ts":")" + ts +
                R"(","level":"info","msg":"rolled back checkout at 5 %","component":"control",)"
                R"("event":"transition","rollout":"checkout","weight":0,"share":4.1,)"
                R"("durable":true,"count":7})"
                "\n");
}

TEST_F(LogTest, WritesTextForTerminals) {
  const auto log = open(LogFormat::kText);
  log->warn(kEvent, "held\x1b[2J", {{"rollout", "checkout"}, {"err", "no data"}, {"n", -1}});
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(
      read(path_),
      format_time(clock_.wall_now()) +
          " warn  control/transition: held\xEF\xBF\xBD[2J rollout=checkout err=\"no data\" n=-1\n");
}

TEST_F(LogTest, OneEventIsOneLineWhateverItsBytes) {
  for (const LogFormat format : {LogFormat::kJson, LogFormat::kText}) {
    const auto log = open(format);
    log->info(kEvent, "a\nb\r\xff", {{"k", std::string("x\n{\"ts\":1}\0y", 13)}});
    ASSERT_TRUE(log->flush());
    const std::string text = read(path_);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    std::filesystem::remove(path_);
  }
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  const auto log = open(LogFormat::kText);
  log->debug(kEvent, "unseen");
  log->set_level(LogLevel::kError);
  log->warn(kEvent, "unseen");
  log->error(kEvent, "seen");
  log->set_level(LogLevel::kOff);
  log->error(kEvent, "unseen");
  ASSERT_TRUE(log->flush());
  const std::string text = read(path_);
  EXPECT_EQ(text.find("unseen"), std::string::npos) << text;
  EXPECT_NE(text.find(": seen\n"), std::string::npos) << text;
}

TEST_F(LogTest, CutsLongValuesBetweenCharacters) {
  const auto log = open(LogFormat::kJson);
  std::string value(Log::kValueBytesMax - 1, 'a');
  value += "\xC3\xBC and more";
  log->info(kEvent, "m", {{"k", value}});
  ASSERT_TRUE(log->flush());
  EXPECT_NE(read(path_).find("aaa...\"}\n"), std::string::npos);
}

TEST_F(LogTest, ReopensByName) {
  const auto log = open(LogFormat::kText);
  log->info(kEvent, "first");
  ASSERT_TRUE(log->flush());
  std::filesystem::rename(path_, folder_ / "canaryd.log.1");
  ASSERT_TRUE(log->reopen());
  log->info(kEvent, "second");
  ASSERT_TRUE(log->flush());
  EXPECT_NE(read(folder_ / "canaryd.log.1").find("first"), std::string::npos);
  EXPECT_EQ(read(folder_ / "canaryd.log.1").find("second"), std::string::npos);
  EXPECT_NE(read(path_).find("second"), std::string::npos);
}

TEST_F(LogTest, KeepsTheOldFileWhenTheNewOneCannotBeOpened) {
  const auto log = open(LogFormat::kText);
  std::filesystem::rename(folder_, folder_.string() + ".moved");
  EXPECT_FALSE(log->reopen());
  log->info(kEvent, "still here");
  ASSERT_TRUE(log->flush());
  std::filesystem::rename(folder_.string() + ".moved", folder_);
  EXPECT_NE(read(path_).find("still here"), std::string::npos);
}

TEST_F(LogTest, WritesEverythingBeforeItIsGone) {
  {
    const auto log = open(LogFormat::kText, 8192);
    for (int i = 0; i < 5000; ++i) log->info(kEvent, "line");
  }
  const std::string text = read(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5000);
}

// A pipe that nobody reads: the logging thread is stuck, the callers are not, and what does not fit
// is counted.
TEST_F(LogTest, DropsAndCountsWhenNobodyReads) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  {
    const auto log = open(LogFormat::kText, 16);
    const std::string filler(3000, 'x');
    for (int i = 0; i < 1000; ++i) log->info(kEvent, filler);
    EXPECT_GT(log->dropped(), 900U);
    EXPECT_LT(log->dropped(), 1000U);
  }  // And it ends although the pipe is still full.
  ::close(reader);
}

TEST_F(LogTest, SurvivesAReaderThatLeaves) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int reader = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  const auto log = open(LogFormat::kText);
  ::close(reader);
  log->info(kEvent, "to nobody");
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(log->dropped(), 1U);
}

TEST_F(LogTest, TakesLinesFromManyThreads) {
  const auto log = open(LogFormat::kText, 8192);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&log] {
      for (int i = 0; i < 200; ++i) log->info(kEvent, "line", {{"i", i}});
      EXPECT_TRUE(log->flush(std::chrono::seconds(20)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = read(path_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 800);
}

TEST_F(LogTest, SaysWhyAFileCannotBeOpened) {
  LogOptions options;
  options.file = folder_ / "missing" / "canaryd.log";
  const auto log = Log::open(options, clock_);
  ASSERT_FALSE(log);
  EXPECT_NE(log.error().context.find("missing/canaryd.log"), std::string::npos);
}

TEST(LogLevel, ReadsItsOwnNames) {
  for (const char* name : {"debug", "info", "warn", "error", "off"}) {
    EXPECT_EQ(to_string(parse_log_level(name).value()), name);
  }
  EXPECT_EQ(parse_log_level("trace").value(), LogLevel::kDebug);
  EXPECT_FALSE(parse_log_level("INFO"));
  EXPECT_FALSE(parse_log_level(""));
  EXPECT_FALSE(parse_log_format("xml"));
}

}  // namespace
}  // namespace canaryd
