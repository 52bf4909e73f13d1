#include "daemon/inherited.hpp"

#include "canaryd/net/listener.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace canaryd::daemon {
namespace {

void set(const char* name, const std::string& value) {
  ::setenv(name, value.c_str(), 1);
}

TEST(InheritedSockets, AreOnlyTakenByTheProcessTheyAreFor) {
  set("LISTEN_PID", std::to_string(::getpid() + 1));
  set("LISTEN_FDS", "1");
  set("LISTEN_FDNAMES", "web");
  const InheritedSockets taken = InheritedSockets::take();
  EXPECT_TRUE(taken.sockets.empty());
  EXPECT_TRUE(taken.refused.empty());
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    EXPECT_EQ(std::getenv(name), nullptr) << name;
  }
}

TEST(InheritedSockets, WithoutANumberAreNone) {
  for (const char* count : {"", "many", "-1", "1x"}) {
    set("LISTEN_PID", std::to_string(::getpid()));
    set("LISTEN_FDS", count);
    const InheritedSockets taken = InheritedSockets::take();
    EXPECT_TRUE(taken.sockets.empty() && taken.refused.empty()) << count;
  }
}

TEST(InheritedSockets, AreFoundByTheirAddress) {
  const net::Address one = parse_socket_address("127.0.0.1:80").value();
  const net::Address other = parse_socket_address("[::1]:80").value();
  InheritedSockets taken;
  taken.sockets = {{one, 7}, {other, 8}, {one, 9}};
  EXPECT_EQ(taken.find(other, 0), 8);
  EXPECT_EQ(taken.find(other, 1), 8);
  EXPECT_EQ(taken.find(parse_socket_address("127.0.0.1:81").value(), 0), std::nullopt);
  // Several at one address are dealt out.
  EXPECT_EQ(taken.count(one), 2U);
  EXPECT_EQ(taken.find(one, 0), 7);
  EXPECT_EQ(taken.find(one, 1), 9);
  EXPECT_EQ(taken.find(one, 2), 7);
}

struct Socket {
  explicit Socket(int type) : fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { ::close(fd); }
  int fd;
};

TEST(InheritedSockets, AreTcpSocketsThatListen) {
  const Socket datagrams(SOCK_DGRAM);
  const Socket stream(SOCK_STREAM);
  EXPECT_FALSE(net::address_of_listening(datagrams.fd));
  EXPECT_FALSE(net::address_of_listening(stream.fd));
  EXPECT_FALSE(net::address_of_listening(-1));
  ASSERT_EQ(::listen(stream.fd, 1), 0);  // On a port of the kernel's choice.
  const auto address = net::address_of_listening(stream.fd);
  ASSERT_TRUE(address);
  EXPECT_NE(address->port, 0);
}

}  // namespace
}  // namespace canaryd::daemon
