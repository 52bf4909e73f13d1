// The behaviour of listeners, on the simulated network; tcp_test.cpp has the real sockets.
#include "canaryd/net/listener.hpp"
#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace canaryd::net {
namespace {

using namespace std::chrono_literals;

class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest() { open(); }

  void open() {
    listener_ =
        std::move(*runtime_.listen({.address = at_}, [this](std::unique_ptr<Stream> stream) {
          streams_.push_back(std::move(stream));
          if (on_accept_) on_accept_();
        }));
  }
  void connect(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) clients_.push_back(net_.connect(at_));
  }

  const Address at_ = test::address("10.0.0.1:80");
  test::SimNetwork net_;
  test::SimRuntime runtime_{net_};
  std::function<void()> on_accept_;
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<test::SimPeer> clients_;
};

TEST_F(AcceptorTest, AcceptsABoundedNumberPerBatch) {
  std::size_t at_end_of_batch = 0;
  on_accept_ = [&] {
    if (streams_.size() == 1) runtime_.defer([&] { at_end_of_batch = streams_.size(); });
  };
  connect(3 * Listener::kAcceptsPerBatch);
  net_.run_ready();
  EXPECT_EQ(at_end_of_batch, Listener::kAcceptsPerBatch);
  EXPECT_EQ(streams_.size(), 3 * Listener::kAcceptsPerBatch);
  EXPECT_EQ(listener_->counters().accepted, 3 * Listener::kAcceptsPerBatch);
}

TEST_F(AcceptorTest, BacksOffWhenDescriptorsRunOut) {
  net_.set_out_of_descriptors(true);
  connect(2);
  net_.run_for(1050ms);
  EXPECT_TRUE(streams_.empty());
  EXPECT_GE(listener_->counters().back_offs, 9U);
  EXPECT_LE(listener_->counters().back_offs, 12U);
  net_.set_out_of_descriptors(false);
  net_.run_for(Listener::kBackOff + 10ms);
  EXPECT_EQ(streams_.size(), 2U);
}

TEST_F(AcceptorTest, ABrokenConnectionDoesNotStopTheRest) {
  net_.fail_operation(1, test::SimFault::kReset);
  connect(2);
  net_.run_ready();
  EXPECT_EQ(streams_.size(), 1U);
  EXPECT_EQ(listener_->counters().failed, 1U);
  EXPECT_TRUE(clients_[0].saw_reset());
}

TEST_F(AcceptorTest, PauseLeavesClientsInTheQueue) {
  listener_->pause();
  connect(3);
  net_.run_for(1s);
  EXPECT_TRUE(streams_.empty());
  EXPECT_FALSE(clients_[0].ended());
  listener_->resume();
  net_.run_ready();
  EXPECT_EQ(streams_.size(), 3U);
}

TEST_F(AcceptorTest, PauseInsideTheHandlerHoldsAtOnce) {
  on_accept_ = [this] { listener_->pause(); };
  connect(3);
  net_.run_ready();
  EXPECT_EQ(streams_.size(), 1U);
}

TEST_F(AcceptorTest, CloseTakesWhoIsQueuedAndRefusesTheRest) {
  listener_->pause();
  connect(3);
  net_.run_ready();
  listener_->close();
  EXPECT_EQ(streams_.size(), 3U);
  connect(1);
  net_.run_ready();
  EXPECT_EQ(streams_.size(), 3U);
  EXPECT_TRUE(clients_.back().refused());
  listener_->close();
  listener_->resume();
  net_.run_ready();
}

TEST_F(AcceptorTest, TheHandlerMayCloseOrDestroyIt) {
  on_accept_ = [this] { listener_->close(); };
  connect(3);
  net_.run_ready();
  EXPECT_EQ(streams_.size(), 3U);

  streams_.clear();
  open();
  on_accept_ = [this] { listener_.reset(); };
  connect(3);
  net_.run_ready();
  EXPECT_EQ(streams_.size(), 1U);
  EXPECT_TRUE(clients_.back().ended());
}

TEST_F(AcceptorTest, OnlyAWorkerThatSharesMayTakeAUsedAddress) {
  const auto refused = runtime_.listen({.address = at_}, [](auto) {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kAddressInUse);
  EXPECT_TRUE(runtime_.listen({.address = at_, .share = true}, [](auto) {}).has_value());
}

}  // namespace
}  // namespace canaryd::net
