// What only real sockets show: binding, sharing and running out of descriptors.
#include "net/sockets.hpp"
#include "unit/net/worlds.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <memory>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace canaryd::net {
namespace {

class TcpTest : public testing::Test {
 protected:
  std::unique_ptr<Listener> listen(const ListenOptions& options) {
    auto listener = runtime_.listen(options, [this](std::unique_ptr<Stream> stream) {
      accepted_.push_back(std::move(stream));
    });
    return listener ? std::move(*listener) : nullptr;
  }

  TcpRuntime runtime_;
  std::vector<std::unique_ptr<Stream>> accepted_;
};

TEST_F(TcpTest, WorkersShareTheNumberThatPortZeroBecame) {
  const auto first = listen({.address = loopback_v4(0)});
  ASSERT_TRUE(first);
  EXPECT_NE(first->address().port, 0);
  const auto second = listen({.address = first->address(), .share = true});
  ASSERT_TRUE(second);
  std::vector<std::unique_ptr<Stream>> clients;
  for (int i = 0; i < 64; ++i) clients.push_back(std::move(*runtime_.connect(first->address())));
  ASSERT_TRUE(runtime_.run_until([&] { return accepted_.size() == 64; }));
  EXPECT_GT(first->counters().accepted, 0U);
  EXPECT_GT(second->counters().accepted, 0U);
}

TEST_F(TcpTest, ASecondDaemonIsRefused) {
  const auto first = listen({.address = loopback_v4(0)});
  const auto also = listen({.address = first->address(), .share = true});
  TcpRuntime second_daemon;
  const auto refused = second_daemon.listen({.address = first->address()}, [](auto) {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kAddressInUse);
}

TEST_F(TcpTest, AnAddressIsFreeAgainAfterItsListenerClosed) {
  auto first = listen({.address = loopback_v4(0)});
  const Address at = first->address();
  const auto client = std::move(*runtime_.connect(at));
  ASSERT_TRUE(runtime_.run_until([&] { return accepted_.size() == 1; }));
  first->close();
  accepted_.clear();  // Our side closes first: TIME_WAIT is ours.
  EXPECT_TRUE(listen({.address = at}));
}

TEST_F(TcpTest, AnAddressOfNobodyIsAnError) {
  const auto foreign = *parse_socket_address("192.0.2.77:80");  // TEST-NET-1, RFC 5737.
  const auto refused = runtime_.listen({.address = foreign}, [](auto) {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

// Lowers the limit of open descriptors to what is open now, until it is destroyed.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(TcpTest, WaitsForDescriptorsAndGoesOn) {
  const auto listener = listen({.address = loopback_v4(0)});
  const auto client = std::move(*runtime_.connect(listener->address()));
  {
    const NoMoreDescriptors limit;
    ASSERT_TRUE(runtime_.run_until([&] { return listener->counters().back_offs >= 2; }));
    EXPECT_TRUE(accepted_.empty());
    const auto refused = runtime_.connect(listener->address());
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
  }
  EXPECT_TRUE(runtime_.run_until([&] { return accepted_.size() == 1; }));
}

TEST_F(TcpTest, CloseAcceptsWhatTheKernelHasQueued) {
  const auto listener = listen({.address = loopback_v4(0)});
  listener->pause();
  const auto client = std::move(*runtime_.connect(listener->address()));
  ASSERT_TRUE(runtime_.run_until([&] { return client->writable_flag(); }));
  EXPECT_TRUE(accepted_.empty());
  listener->close();
  ASSERT_EQ(accepted_.size(), 1U);
  ASSERT_TRUE(client->send("served").ok());
  EXPECT_TRUE(runtime_.run_until([&] { return accepted_[0]->readable_flag(); }));
}

// Else the kernel takes megabytes for each of them.
TEST_F(TcpTest, WhoDoesNotReadHoldsLittle) {
  const auto listener = listen({.address = loopback_v4(0)});
  const auto client = std::move(*runtime_.connect(listener->address()));
  ASSERT_TRUE(runtime_.run_until([&] { return accepted_.size() == 1 && client->writable_flag(); }));
  const std::string block(16 * 1024, 'x');
  for (Stream* stream : {client.get(), accepted_[0].get()}) {
    std::size_t taken = 0;
    while (stream->writable_flag()) taken += stream->send(block).bytes;
    EXPECT_GT(taken, 64U * 1024);
    EXPECT_LT(taken, 1024U * 1024);
  }
}

// What a peer takes shows at once, though no edge tells that there is room again.
TEST_F(TcpTest, WhatThePeerHasNotTakenIsKnown) {
  const auto listener = listen({.address = loopback_v4(0)});
  const auto client = std::move(*runtime_.connect(listener->address()));
  ASSERT_TRUE(runtime_.run_until([&] { return accepted_.size() == 1 && client->writable_flag(); }));
  EXPECT_EQ(client->unacknowledged(), 0U);
  const std::string block(16 * 1024, 'x');
  while (client->writable_flag()) static_cast<void>(client->send(block));
  // Nobody reads: what the peer's system has taken for it does not change any more.
  std::optional<std::size_t> held = client->unacknowledged();
  ASSERT_TRUE(held.has_value());
  EXPECT_GT(*held, 64U * 1024);
  // It opens its window by steps, of which no one is as large as what lets a socket take more.
  std::string taken(4 * 1024, ' ');
  ASSERT_TRUE(runtime_.run_until([&] { return accepted_[0]->readable_flag(); }));
  std::size_t bites = 0;
  ASSERT_TRUE(runtime_.run_until([&] {
    if (accepted_[0]->recv(taken).ok()) ++bites;
    return client->unacknowledged() < held;
  }));
  EXPECT_GT(bites, 0U);
  client->reset();
  EXPECT_FALSE(client->unacknowledged().has_value());
}

TEST_F(TcpTest, SpeaksIpv6WhereThereIsOne) {
  const auto listener = listen({.address = loopback_v6(0)});
  if (!listener) GTEST_SKIP() << "this host has no ::1";
  const auto client = std::move(*runtime_.connect(listener->address()));
  ASSERT_TRUE(runtime_.run_until([&] { return accepted_.size() == 1; }));
  EXPECT_EQ(accepted_[0]->peer_address(), client->local_address());
  EXPECT_TRUE(client->peer_address().ip.is_v6());
}

TEST_F(TcpTest, NativeAddressesKeepEveryByte) {
  for (const char* text : {"1.2.3.4:5", "[2001:db8:1:2:3:4:5:6]:65535"}) {
    const Address address = *parse_socket_address(text);
    EXPECT_EQ(from_native(to_native(address).storage), address);
  }
  EXPECT_EQ(from_native(sockaddr_storage{}), Address{});
}

}  // namespace
}  // namespace canaryd::net
