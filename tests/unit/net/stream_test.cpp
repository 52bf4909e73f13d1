// What a stream promises, on TCP and on the simulated network alike.
#include "canaryd/net/stream.hpp"

#include "unit/net/worlds.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace canaryd::net {
namespace {

template <class World>
class StreamTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listening = world_.runtime.listen({.address = world_.listen_at},
                                           [this](auto stream) { server_ = std::move(stream); });
    ASSERT_TRUE(listening.has_value());
    listener_ = std::move(*listening);
    client_ = std::move(*world_.runtime.connect(listener_->address()));
    ASSERT_TRUE(run([this] { return server_ && client_->writable_flag(); }));
    ASSERT_FALSE(client_->connect_error());
  }

  bool run(const std::function<bool()>& condition) { return world_.run_until(condition); }
  // One recv, once there is something to be had.
  IoResult recv(Stream& stream, std::size_t size = 4096) {
    EXPECT_TRUE(run([&] { return stream.readable_flag(); }));
    block_.assign(size, '\0');
    const IoResult got = stream.recv(block_);
    block_.resize(got.bytes);
    return got;
  }
  std::string recv_all(Stream& stream, std::size_t bytes) {
    std::string all;
    while (all.size() < bytes) {
      const IoResult got = recv(stream, 65536);
      if (got.eof() || got.failed()) break;
      all += block_;
    }
    return all;
  }
  // Sends until the stream takes no more.
  std::size_t fill(Stream& stream) {
    const std::string chunk(100'000, 'x');
    std::size_t total = 0;
    while (stream.writable_flag()) total += stream.send(chunk).bytes;
    return total;
  }

  World world_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Stream> client_;
  std::unique_ptr<Stream> server_;
  std::string block_;
};

using Worlds = testing::Types<TcpWorld, SimWorld>;
TYPED_TEST_SUITE(StreamTest, Worlds);

TYPED_TEST(StreamTest, CarriesBytesBothWays) {
  EXPECT_EQ(this->client_->send("hello").bytes, 5U);
  EXPECT_EQ(this->recv_all(*this->server_, 5), "hello");
  EXPECT_EQ(this->server_->send("to ", "you").bytes, 6U);
  EXPECT_EQ(this->recv_all(*this->client_, 6), "to you");
  EXPECT_EQ(this->server_->send("", "tail").bytes, 4U);
  EXPECT_EQ(this->server_->send("", "").bytes, 0U);
  EXPECT_EQ(this->recv_all(*this->client_, 4), "tail");
}

TYPED_TEST(StreamTest, AShortReadLowersTheFlag) {
  EXPECT_FALSE(this->server_->readable_flag()) << "no event yet";
  ASSERT_TRUE(this->client_->send("abcdef").ok());
  EXPECT_EQ(this->recv(*this->server_, 4).bytes, 4U);
  EXPECT_TRUE(this->server_->readable_flag()) << "a full block may not be all";
  EXPECT_EQ(this->recv(*this->server_, 4).bytes, 2U);
  EXPECT_FALSE(this->server_->readable_flag());
  std::array<char, 4> none{};
  EXPECT_TRUE(this->server_->recv(none).would_block());
  ASSERT_TRUE(this->client_->send("g").ok());
  EXPECT_EQ(this->recv(*this->server_).bytes, 1U);
}

TYPED_TEST(StreamTest, AFullSocketLowersTheFlagUntilThereIsRoom) {
  const std::size_t sent = this->fill(*this->client_);
  EXPECT_GT(sent, 0U);
  EXPECT_TRUE(this->client_->send("more").would_block());
  std::size_t received = 0;
  ASSERT_TRUE(this->run([&] {
    std::array<char, 65536> block{};
    if (this->server_->readable_flag()) received += this->server_->recv(block).bytes;
    return this->client_->writable_flag();
  }));
  EXPECT_TRUE(this->client_->send("more").ok());
  EXPECT_EQ(this->recv_all(*this->server_, sent + 4 - received).size(), sent + 4 - received);
}

TYPED_TEST(StreamTest, HalfCloseIsSeenAndTheOtherHalfGoesOn) {
  ASSERT_TRUE(this->client_->send("last").ok());
  this->client_->shutdown_send();
  ASSERT_TRUE(this->run([&] { return this->server_->hangup(); }));
  EXPECT_FALSE(this->server_->error());
  EXPECT_EQ(this->recv(*this->server_).bytes, 4U);
  EXPECT_TRUE(this->server_->readable_flag()) << "no edge comes for the end: the flag stays";
  EXPECT_TRUE(this->recv(*this->server_).eof());
  EXPECT_TRUE(this->recv(*this->server_).eof());
  ASSERT_TRUE(this->server_->send("answer").ok());
  EXPECT_EQ(this->recv_all(*this->client_, 6), "answer");
  this->server_.reset();
  EXPECT_TRUE(this->recv(*this->client_).eof());
}

TYPED_TEST(StreamTest, ClosingIsAnOrderlyEnd) {
  ASSERT_TRUE(this->client_->send("bye").ok());
  this->client_.reset();
  EXPECT_EQ(this->recv_all(*this->server_, 3), "bye");
  EXPECT_TRUE(this->recv(*this->server_).eof());
}

// Whatever the flags say: no event has told of the bytes, or of the end.
TYPED_TEST(StreamTest, IsQuietUntilThereIsSomethingToRead) {
  EXPECT_TRUE(this->server_->is_quiet());
  ASSERT_TRUE(this->client_->send("x").ok());
  ASSERT_TRUE(this->run([this] { return !this->server_->is_quiet(); }));
  EXPECT_EQ(this->recv_all(*this->server_, 1), "x");
  EXPECT_TRUE(this->server_->is_quiet());
  this->client_.reset();
  ASSERT_TRUE(this->run([this] { return !this->server_->is_quiet(); }));
  EXPECT_TRUE(this->recv(*this->server_).eof());
}

TYPED_TEST(StreamTest, ResetIsAnErrorForThePeerAfterWhatHadArrived) {
  ASSERT_TRUE(this->client_->send("early").ok());
  ASSERT_TRUE(this->run([&] { return this->server_->readable_flag(); }));
  this->client_->reset();
  EXPECT_TRUE(this->client_->error());
  EXPECT_EQ(this->client_->send("x").code, ErrorCode::kReset);
  EXPECT_TRUE(this->client_->recv(this->block_ = "....").failed());
  ASSERT_TRUE(this->run([&] { return this->server_->error(); }));
  EXPECT_EQ(this->recv(*this->server_).bytes, 5U);
  for (int i = 0; i < 2; ++i) {
    const IoResult broken = this->recv(*this->server_);
    EXPECT_TRUE(broken.failed());
    EXPECT_EQ(broken.code, ErrorCode::kReset);
  }
  EXPECT_TRUE(this->server_->send("x").failed());
}

TYPED_TEST(StreamTest, AFailedSendLeavesWhatThePeerSaidReadable) {
  // The peer answers, then closes with our bytes unread: a reset follows its answer.
  ASSERT_TRUE(this->client_->send("request body").ok());
  ASSERT_TRUE(this->run([&] { return this->server_->readable_flag(); }));
  ASSERT_TRUE(this->server_->send("413").ok());
  ASSERT_TRUE(this->run([&] { return this->client_->readable_flag(); }));
  this->server_.reset();
  ASSERT_TRUE(this->run([&] { return this->client_->error(); }));
  EXPECT_TRUE(this->client_->send("rest of the body").failed());
  EXPECT_EQ(this->recv_all(*this->client_, 3), "413");
  EXPECT_EQ(this->recv(*this->client_).code, ErrorCode::kReset);
}

TYPED_TEST(StreamTest, SendingToAClosedPeerBreaks) {
  this->server_.reset();
  ASSERT_TRUE(this->run([&] { return this->client_->hangup(); }));
  EXPECT_TRUE(this->client_->send("anybody there?").ok());
  ASSERT_TRUE(this->run([&] { return this->client_->error(); }));
  EXPECT_EQ(this->client_->send("hello?").code, ErrorCode::kReset);
}

TYPED_TEST(StreamTest, AConnectThatIsRefusedSaysSo) {
  auto connecting = this->world_.runtime.connect(this->world_.nobody());
  if (!connecting) {
    EXPECT_EQ(connecting.error().code, ErrorCode::kRefused);
    return;
  }
  const auto stream = std::move(*connecting);
  ASSERT_TRUE(this->run([&] { return stream->writable_flag(); }));
  EXPECT_TRUE(stream->error());
  EXPECT_EQ(stream->connect_error(), ErrorCode::kRefused);
  EXPECT_EQ(stream->connect_error(), ErrorCode::kRefused) << "asked twice";
  EXPECT_EQ(stream->send("x").code, ErrorCode::kRefused);
}

TYPED_TEST(StreamTest, BothEndsKnowTheirAddresses) {
  EXPECT_EQ(this->client_->peer_address(), this->listener_->address());
  EXPECT_EQ(this->server_->local_address(), this->listener_->address());
  EXPECT_EQ(this->server_->peer_address(), this->client_->local_address());
}

class Told final : public Reaction {
 public:
  Told(Runtime& runtime, std::unique_ptr<Stream>& stream)
      : Reaction(runtime.ready()), stream_(stream) {}
  int times = 0;

 private:
  void react() override {
    ++times;
    stream_.reset();
  }
  std::unique_ptr<Stream>& stream_;
};

TYPED_TEST(StreamTest, AnIdleWatcherHearsOfTheEnd) {
  Told told(this->world_.runtime, this->client_);
  this->client_->set_idle_watcher(&told);
  EXPECT_FALSE(told.scheduled());
  this->server_.reset();
  ASSERT_TRUE(this->run([&] { return told.times > 0; }));
  EXPECT_EQ(told.times, 1);
  EXPECT_FALSE(this->client_);
}

TYPED_TEST(StreamTest, AnIdleWatcherHearsOfBytesNobodyAskedForAndOfAnEndThatWasThere) {
  ASSERT_TRUE(this->server_->send("surprise").ok());
  ASSERT_TRUE(this->run([&] { return this->client_->readable_flag(); }));
  Told told(this->world_.runtime, this->client_);
  this->client_->set_idle_watcher(&told);
  EXPECT_TRUE(told.scheduled());
  told.unschedule();
  this->client_->set_idle_watcher(nullptr);
  this->server_.reset();
  ASSERT_TRUE(this->run([&] { return this->client_->hangup(); }));
  EXPECT_EQ(told.times, 0);
}

}  // namespace
}  // namespace canaryd::net
