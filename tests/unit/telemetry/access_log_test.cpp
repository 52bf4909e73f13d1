#include "canaryd/telemetry/access_log.hpp"

#include "support/manual_clock.hpp"
#include "telemetry/byte_ring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <set>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace canaryd::telemetry {
namespace {

using namespace std::chrono_literals;

class AccessLogTest : public testing::Test {
 protected:
  AccessLogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "canaryd-access-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    LogOptions options;
    options.file = folder_ / "daemon";
    log_ = Log::open(options, clock_).value();
  }
  ~AccessLogTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<AccessLog> open(const std::string& file,
                                  std::size_t workers = 1,
                                  std::size_t ring_bytes = 64 * 1024) {
    AccessLogOptions options;
    options.file = file;
    options.workers = workers;
    options.ring_bytes = ring_bytes;
    return AccessLog::open(options, clock_, *log_).value();
  }
  std::unique_ptr<AccessLog> open_all(const std::string& file) {
    auto access = open(file);
    access->sink(0)->use(std::make_shared<AccessPolicy>());
    return access;
  }
  static AccessRecord record(std::string_view id, std::uint64_t key_hash = 0) {
    AccessRecord record;
    record.id = id;
    record.path = "/a";
    record.status = 200;
    record.key_hash = key_hash;
    return record;
  }
  static std::vector<std::string> lines(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  std::string daemon_log() {
    EXPECT_TRUE(log_->flush());
    std::ostringstream text;
    text << std::ifstream(folder_ / "daemon").rdbuf();
    return text.str();
  }

  std::filesystem::path folder_;
  canaryd::test::ManualClock clock_;
  std::unique_ptr<Log> log_;
};

TEST_F(AccessLogTest, WritesWhatItIsTold) {
  auto access = open_all(folder_ / "a");
  AccessRecord one = record("one");
  one.started_at = clock_.now();
  one.ended_at = one.started_at + 1500us;
  access->sink(0)->write(one);
  ASSERT_TRUE(access->flush());
  const auto written = lines(folder_ / "a");
  ASSERT_EQ(written.size(), 1U);
  EXPECT_NE(written[0].find("\"id\":\"one\""), std::string::npos) << written[0];
  EXPECT_NE(written[0].find("\"t_total\":0.001500"), std::string::npos) << written[0];
  EXPECT_EQ(access->dropped(), 0U);
}

TEST_F(AccessLogTest, WritesWhatIsLeftWhenItEnds) {
  auto access = open_all(folder_ / "a");
  for (int i = 0; i < 50; ++i) access->sink(0)->write(record("x"));
  access.reset();
  EXPECT_EQ(lines(folder_ / "a").size(), 50U);
}

// Every worker's lines, whole and once, while the rings go round many times; or counted.
TEST_F(AccessLogTest, LosesNoLineWithoutCountingIt) {
  constexpr std::size_t kWorkers = 3;
  constexpr std::size_t kLines = 20000;
  auto access = open(folder_ / "a", kWorkers);
  std::vector<std::thread> threads;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      const auto sink = access->sink(worker);
      sink->use(std::make_shared<AccessPolicy>());
      for (std::size_t i = 0; i < kLines; ++i) {
        const std::string id = std::to_string(worker) + "-" + std::to_string(i);
        const std::string path(i % 700, 'p');
        AccessRecord line = record(id);
        line.path = path;
        sink->write(line);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(access->flush(60s));
  std::set<std::string> seen;
  for (const std::string& line : lines(folder_ / "a")) {
    ASSERT_TRUE(line.starts_with("{\"ts\":\"") && line.ends_with("}")) << line;
    const std::size_t at = line.find("\"id\":\"") + 6;
    EXPECT_TRUE(seen.insert(line.substr(at, line.find('"', at) - at)).second) << line;
  }
  EXPECT_EQ(seen.size() + access->dropped(), kWorkers * kLines);
  EXPECT_GT(seen.size(), 0U);
}

TEST_F(AccessLogTest, ReopensByName) {
  auto access = open_all(folder_ / "a");
  access->sink(0)->write(record("one"));
  ASSERT_TRUE(access->flush());
  std::filesystem::rename(folder_ / "a", folder_ / "a.1");
  ASSERT_TRUE(access->reopen().has_value());
  access->sink(0)->write(record("two"));
  ASSERT_TRUE(access->flush());
  EXPECT_EQ(lines(folder_ / "a.1").size(), 1U);
  EXPECT_EQ(lines(folder_ / "a").size(), 1U);
}

TEST_F(AccessLogTest, AFullDiskIsSaidOnceAndCounted) {
  auto access = open_all("/dev/full");
  for (int round = 0; round < 3; ++round) {
    access->sink(0)->write(record("x"));
    access->sink(0)->write(record("y"));
    ASSERT_TRUE(access->flush());
  }
  EXPECT_EQ(access->dropped(), 6U);
  access.reset();
  const std::string said = daemon_log();
  const std::size_t first = said.find("write_failed");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(said.find("write_failed", first + 1), std::string::npos) << said;
}

// A pipe whose reader is there and does not read.
class StalledPipe {
 public:
  explicit StalledPipe(const std::filesystem::path& name) {
    EXPECT_EQ(::mkfifo(name.c_str(), 0600), 0);
    reader_ = ::open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    // Less than any ring, so that the writer has to wait.
    EXPECT_GT(::fcntl(reader_, F_SETPIPE_SZ, 4096), 0);
  }
  StalledPipe(const StalledPipe&) = delete;
  StalledPipe& operator=(const StalledPipe&) = delete;
  ~StalledPipe() { hang_up(); }

  void hang_up() {
    if (reader_ >= 0) ::close(std::exchange(reader_, -1));
  }
  // All that is there, until nothing came for a moment after `lines` of them.
  std::string read(std::size_t lines) {
    std::string text;
    std::array<char, 65536> buffer{};
    while (static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) < lines) {
      pollfd entry{reader_, POLLIN, 0};
      if (::poll(&entry, 1, 10'000) <= 0) break;
      const ssize_t got = ::read(reader_, buffer.data(), buffer.size());
      if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  int reader_ = -1;
};

// Whoever writes is not kept waiting, and what has no room is counted.
TEST_F(AccessLogTest, AReaderThatStallsHoldsUpNobody) {
  StalledPipe pipe(folder_ / "a");
  auto access = open_all(folder_ / "a");
  constexpr std::size_t kLines = 10'000;
  for (std::size_t i = 0; i < kLines; ++i) {
    const std::string id = std::to_string(i);
    access->sink(0)->write(record(id));
  }
  EXPECT_FALSE(access->flush(50ms));
  const std::uint64_t dropped = access->dropped();
  EXPECT_GT(dropped, 0U);
  ASSERT_LT(dropped, kLines);
  // When it reads again, what had room is there, whole and in order.
  std::istringstream text(pipe.read(kLines - dropped));
  std::size_t count = 0;
  long last = -1;
  for (std::string line; std::getline(text, line); ++count) {
    ASSERT_TRUE(line.starts_with("{\"ts\":\"") && line.ends_with("}")) << line;
    const long id = std::stol(line.substr(line.find("\"id\":\"") + 6));
    EXPECT_GT(id, last);
    last = id;
  }
  EXPECT_EQ(count, kLines - dropped);
  EXPECT_EQ(access->dropped(), dropped);
}

TEST_F(AccessLogTest, AnotherFileFreesItFromAReaderThatStalls) {
  StalledPipe pipe(folder_ / "a");
  auto access = open_all(folder_ / "a");
  for (int i = 0; i < 10'000; ++i) access->sink(0)->write(record("x"));
  EXPECT_FALSE(access->flush(50ms));
  const std::uint64_t dropped = access->dropped();
  std::filesystem::rename(folder_ / "a", folder_ / "pipe");
  ASSERT_TRUE(access->reopen().has_value());
  access->sink(0)->write(record("last"));
  ASSERT_TRUE(access->flush(10s));
  const auto rest = lines(folder_ / "a");
  const std::string before = pipe.read(10'000 - dropped - rest.size());
  const auto in_pipe = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  EXPECT_EQ(rest.size() + in_pipe + access->dropped(), 10'001U);
  EXPECT_GT(rest.size(), 0U);
  for (const std::string& line : rest) EXPECT_TRUE(line.starts_with("{\"ts\":\"")) << line;
}

TEST_F(AccessLogTest, AReaderThatIsGoneIsAnErrorAndNotTheEnd) {
  StalledPipe pipe(folder_ / "a");
  auto access = open_all(folder_ / "a");
  pipe.hang_up();
  access->sink(0)->write(record("x"));
  ASSERT_TRUE(access->flush());
  EXPECT_EQ(access->dropped(), 1U);
  access.reset();
  EXPECT_NE(daemon_log().find("write_failed"), std::string::npos);
}

TEST_F(AccessLogTest, AFileThatCannotBeOpenedIsAnError) {
  AccessLogOptions options;
  options.file = folder_ / "none" / "a";
  EXPECT_FALSE(AccessLog::open(options, clock_, *log_).has_value());
}

TEST_F(AccessLogTest, ExcludesPathsAndSamplesByKey) {
  auto access = open(folder_ / "a", 1, 1U << 20U);
  auto policy = std::make_shared<AccessPolicy>();
  policy->exclude_paths = {"/healthz"};
  policy->sample = BasisPoints(1000);
  const auto sink = access->sink(0);
  sink->use(policy);
  AccessRecord excluded = record("none");
  excluded.path = "/healthz";
  constexpr std::uint64_t kKeys = 2000;
  for (int twice = 0; twice < 2; ++twice) {
    sink->write(excluded);
    // As keys are spread: the upper bits decide the cohort, and must not decide this.
    for (std::uint64_t i = 1; i <= kKeys; ++i) sink->write(record("k", i << 52U | i));
  }
  ASSERT_TRUE(access->flush());
  const auto written = lines(folder_ / "a");
  ASSERT_EQ(written.size() % 2, 0U);
  const std::size_t keys = written.size() / 2;
  EXPECT_GT(keys, kKeys / 10 - 60);
  EXPECT_LT(keys, kKeys / 10 + 60);
  for (std::size_t i = 0; i < keys; ++i) EXPECT_EQ(written[i], written[i + keys]);
}

TEST_F(AccessLogTest, SaysNothingWhileItIsOff) {
  auto access = open(folder_ / "a");
  EXPECT_FALSE(access->sink(0)->on());
}

// What the parser refused has neither key nor id: some of it is in a sample all the same.
TEST_F(AccessLogTest, SamplesByChanceWhatHasNoKey) {
  auto access = open(folder_ / "a");
  auto policy = std::make_shared<AccessPolicy>();
  policy->sample = BasisPoints(5000);
  access->sink(0)->use(policy);
  for (int i = 0; i < 200; ++i) {
    AccessRecord line = record("");
    line.ended_at = line.started_at = Monotonic(i * 1ms);
    access->sink(0)->write(line);
  }
  ASSERT_TRUE(access->flush());
  EXPECT_GT(lines(folder_ / "a").size(), 50U);
  EXPECT_LT(lines(folder_ / "a").size(), 150U);
}

// A line that crosses the end of the ring comes out in one piece.
TEST(ByteRing, LinesAreWhole) {
  ByteRing ring(64, 16);
  std::string expected;
  std::string got;
  std::uint64_t dropped = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    const std::string line = std::string(i % 15, static_cast<char>('a' + i % 26)) + "\n";
    char* const to = ring.begin_line();
    if (to == nullptr) {
      ++dropped;
    } else {
      std::copy(line.begin(), line.end(), to);
      ring.end_line(to + line.size());
      expected += line;
    }
    if (i % 3 != 0) continue;
    for (std::string_view some = ring.readable(); !some.empty(); some = ring.readable()) {
      EXPECT_EQ(some.back(), '\n');
      got += some;
      ring.consume(some.size());
      if (i % 2 == 0) break;
    }
  }
  EXPECT_TRUE(expected.starts_with(got));
  EXPECT_EQ(ring.dropped(), dropped);
}

}  // namespace
}  // namespace canaryd::telemetry
