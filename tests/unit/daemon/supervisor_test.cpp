#include "daemon/supervisor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace canaryd::daemon {
namespace {

// A manager in the abstract name space, so that no file is left.
class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // Without a name the kernel gives a free one.
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address.sun_family),
              0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    name_.assign(&address.sun_path[0], size - offsetof(sockaddr_un, sun_path));
    name_.front() = '@';
  }
  SupervisorTest(const SupervisorTest&) = delete;
  SupervisorTest& operator=(const SupervisorTest&) = delete;
  ~SupervisorTest() override {
    ::close(fd_);
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }

  // The next one; a datagram on a Unix socket is there when it has been sent.
  std::string told() const {
    std::array<char, 4096> text{};
    const ssize_t size = ::recv(fd_, text.data(), text.size(), 0);
    return size < 0 ? "nothing" : std::string(text.data(), static_cast<std::size_t>(size));
  }

  int fd_;
  std::string name_;
};

TEST_F(SupervisorTest, SaysHowTheDaemonIs) {
  const Supervisor supervisor(name_);
  supervisor.ready("serving");
  EXPECT_EQ(told(), "READY=1\nSTATUS=serving\n");
  supervisor.reloading(Monotonic(std::chrono::nanoseconds(1'234'567'890)));
  EXPECT_EQ(told(), "RELOADING=1\nMONOTONIC_USEC=1234567\n");
  supervisor.stopping("draining");
  EXPECT_EQ(told(), "STOPPING=1\nSTATUS=draining\n");
}

TEST_F(SupervisorTest, AStatusIsOneLine) {
  const Supervisor supervisor(name_);
  supervisor.ready("serving\nSTOPPING=1");
  EXPECT_EQ(told(), "READY=1\nSTATUS=serving STOPPING=1\n");
}

TEST_F(SupervisorTest, GivesASignOfLifeToWhoWatches) {
  Supervisor(name_).alive();
  EXPECT_EQ(told(), "nothing");
  Supervisor(name_, true).alive();
  EXPECT_EQ(told(), "WATCHDOG=1\n");
}

TEST_F(SupervisorTest, TakesTheEnvironmentAndLeavesNoneForOthers) {
  ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "10000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const Supervisor supervisor = Supervisor::take();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);
  supervisor.alive();
  EXPECT_EQ(told(), "WATCHDOG=1\n");
}

TEST_F(SupervisorTest, AWatchdogOfAnotherProcessIsNotOurs) {
  ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "10000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  Supervisor::take().alive();
  EXPECT_EQ(told(), "nothing");
}

TEST(Supervisor, WithoutAManagerNothingHappens) {
  for (const std::string& socket :
       {std::string(), std::string("/nowhere/at-all"), std::string(500, 'x')}) {
    const Supervisor supervisor(socket, true);
    supervisor.ready("serving");
    supervisor.alive();
  }
}

}  // namespace
}  // namespace canaryd::daemon
