#include "proxy/body_flow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>

namespace canaryd::proxy {
namespace {

// A stream that gives what it was given, and takes what it is allowed to take.
class ScriptedStream final : public net::Stream {
 public:
  ScriptedStream() : Stream(net::kWritable) {}

  // Each is one recv; an empty one is the end.
  void arrive(std::string bytes) {
    input_.push_back(std::move(bytes));
    raise(net::kReadable);
  }
  void allow(std::size_t bytes) {
    room_ = bytes;
    raise(net::kWritable);
  }
  void break_off() { raise(net::kBroken); }

  net::IoResult recv(std::span<char> into) override {
    if (!readable_flag()) return {.status = net::IoStatus::kWouldBlock};
    if (error()) return {.status = net::IoStatus::kError};
    ++recvs;
    largest_recv = std::max(largest_recv, into.size());
    if (input_.empty()) {
      lower(net::kReadable);
      return {.status = net::IoStatus::kWouldBlock};
    }
    std::string& next = input_.front();
    if (next.empty()) return {.status = net::IoStatus::kEof};
    const std::size_t bytes = std::min(into.size(), next.size());
    std::memcpy(into.data(), next.data(), bytes);
    next.erase(0, bytes);
    if (next.empty()) input_.pop_front();
    if (input_.empty()) lower(net::kReadable);
    return {.bytes = bytes};
  }
  net::IoResult send(std::string_view first, std::string_view second) override {
    if (error()) return {.status = net::IoStatus::kError};
    if (!writable_flag()) return {.status = net::IoStatus::kWouldBlock};
    ++sends;
    std::string all(first);
    all += second;
    const std::size_t bytes = std::min(room_, all.size());
    room_ -= bytes;
    sent += all.substr(0, bytes);
    if (bytes < all.size()) lower(net::kWritable);
    return {.bytes = bytes};
  }
  void shutdown_send() override {}
  void reset() override {}
  std::optional<ErrorCode> connect_error() override { return {}; }
  bool is_quiet() const override { return true; }
  std::optional<std::size_t> unacknowledged() const noexcept override { return std::nullopt; }
  const net::Address& peer_address() const noexcept override { return address_; }
  net::Address local_address() const override { return address_; }

  std::string sent;
  int recvs = 0;
  int sends = 0;
  std::size_t largest_recv = 0;

 private:
  std::deque<std::string> input_;
  std::size_t room_ = SIZE_MAX;
  net::Address address_;
};

class BodyFlowTest : public testing::Test {
 protected:
  static http::BodyFraming length(std::uint64_t bytes) { return {http::BodyKind::kLength, bytes}; }
  static constexpr http::BodyFraming kChunked{http::BodyKind::kChunked, 0};
  static constexpr http::BodyFraming kUntilClose{http::BodyKind::kUntilClose, 0};

  void start(std::string_view head,
             const http::BodyFraming& framing,
             std::string_view input = {},
             std::optional<std::uint64_t> limit = {}) {
    flow.start(head, framing, http::BodyOutput::kAsIs, input, limit);
  }
  [[nodiscard]] FlowState pump() { return flow.pump(from, to); }

  net::BufferPools pools{{.small_blocks_max = 2, .medium_blocks_max = 1, .large_blocks_max = 1}};
  ScriptedStream from;
  ScriptedStream to;
  BodyFlow flow{pools};
};

TEST_F(BodyFlowTest, SendsHeadAndBodyTogether) {
  start("HEAD ", length(4), "body");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(to.sent, "HEAD body");
  EXPECT_EQ(to.sends, 1);
  EXPECT_TRUE(flow.complete());
  EXPECT_FALSE(flow.has_read());
  EXPECT_TRUE(flow.has_sent());
  EXPECT_EQ(flow.data_bytes(), 4U);
  EXPECT_EQ(pools.small.on_loan(), 0U);
}

TEST_F(BodyFlowTest, LeavesWhatIsBehindTheBody) {
  start("HEAD ", length(4), "bodynext");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(flow.rest(), "next");
  start("HEAD ", kChunked, "1\r\nx\r\n0\r\n\r\nnext");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(flow.rest(), "next");
  start("HEAD ", {}, "next");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(flow.rest(), "next");
}

TEST_F(BodyFlowTest, ReadsNoFurtherThanTheBody) {
  start("", length(4), "bo");
  from.arrive("dynext");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(from.largest_recv, 2U);
  EXPECT_TRUE(flow.rest().empty());
  EXPECT_TRUE(flow.has_read());
}

TEST_F(BodyFlowTest, WaitsForTheSender) {
  start("HEAD ", length(4));
  EXPECT_EQ(pump(), FlowState::kNeedRead);
  EXPECT_EQ(to.sent, "HEAD ");
  EXPECT_FALSE(flow.complete());
  from.arrive("bo");
  EXPECT_EQ(pump(), FlowState::kNeedRead);
  from.arrive("dy");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(to.sent, "HEAD body");
}

TEST_F(BodyFlowTest, KeepsAHeadThatIsNotTaken) {
  std::string head = "a head in the scratch ";
  start(head, length(4), "body");
  to.allow(5);
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  head.assign(head.size(), '#');  // Somebody else uses the scratch.
  to.allow(3);
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  EXPECT_EQ(pools.small.on_loan(), 1U);
  to.allow(SIZE_MAX);
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(to.sent, "a head in the scratch body");
  EXPECT_EQ(pools.small.on_loan(), 0U);
}

// An answer of ours takes the place of one that could not be sent.
TEST_F(BodyFlowTest, ANewHeadReplacesOneThatWasKept) {
  std::string first = "the first head";
  start(first, length(4));
  to.allow(0);
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  std::string second = "the second head";
  flow.start_head(second);
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  second.assign(second.size(), '#');
  to.allow(SIZE_MAX);
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(to.sent, "the second head");
}

TEST_F(BodyFlowTest, KeepsALongHeadInALargeBlock) {
  const std::string head(net::BufferPools::kSmallBytes + 1, 'h');
  start(head, {});
  to.allow(0);
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  EXPECT_EQ(pools.large.on_loan(), 1U);
  to.allow(SIZE_MAX);
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(to.sent, head);
  EXPECT_EQ(pools.large.on_loan(), 0U);
}

TEST_F(BodyFlowTest, DoesNotReadWhileNothingIsTaken) {
  start("", length(100'000));
  to.allow(0);
  from.arrive(std::string(50'000, 'x'));
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  EXPECT_EQ(from.recvs, 1);
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  EXPECT_EQ(from.recvs, 1);
}

TEST_F(BodyFlowTest, GrowsForABodyThatFillsItsBlocks) {
  start("", length(2'000'000));
  from.arrive(std::string(1'000'000, 'x'));
  FlowState state = pump();
  while (state == FlowState::kYield) state = pump();
  EXPECT_EQ(state, FlowState::kNeedRead);
  EXPECT_EQ(from.largest_recv, net::BufferPools::kLargeBytes);
  EXPECT_EQ(pools.large.on_loan(), 1U);
  EXPECT_EQ(pools.small.on_loan(), 0U);
  flow.reset();
  EXPECT_EQ(pools.large.on_loan(), 0U);
}

TEST_F(BodyFlowTest, ALengthThatIsKnownSaysHowLargeTheBlockIs) {
  // The first piece came with the head.
  const std::string first(10'000, 'x');
  start("", length(60'000), first);
  from.arrive(std::string(50'000, 'y'));
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(from.recvs, 1);
  EXPECT_EQ(pools.medium.on_loan(), 1U);
  EXPECT_EQ(to.sent, first + std::string(50'000, 'y'));
}

// What is announced costs its sender nothing; what has come does.
TEST_F(BodyFlowTest, NoBlockIsMoreThanEightTimesWhatHasCome) {
  for (const std::size_t come : {0U, 1U, 8000U, 9000U, 32'000U, 33'000U}) {
    const std::string first(come, 'x');
    start("", length(10'000'000), first);
    from.arrive("y");
    EXPECT_EQ(pump(), FlowState::kNeedRead);
    EXPECT_EQ(pools.small.on_loan(), come < 8448 ? 1U : 0U) << come;
    EXPECT_EQ(pools.medium.on_loan(), come >= 8448 && come < 32'768 ? 1U : 0U) << come;
    EXPECT_EQ(pools.large.on_loan(), come >= 32'768 ? 1U : 0U) << come;
    flow.reset();
  }
}

TEST_F(BodyFlowTest, WhoSendsLittleAtATimeKeepsASmallBlock) {
  start("", length(10'000'000));
  for (int i = 0; i < 100; ++i) {
    from.arrive(std::string(1000, 'x'));
    EXPECT_EQ(pump(), FlowState::kNeedRead);
  }
  EXPECT_EQ(pools.small.on_loan(), 1U);
  EXPECT_EQ(pools.medium.on_loan() + pools.large.on_loan(), 0U);
}

TEST_F(BodyFlowTest, DoesWithoutALargeBlock) {
  const auto taken = pools.large.acquire();
  const auto medium = pools.medium.acquire();
  start("", length(300'000));
  from.arrive(std::string(300'000, 'x'));
  FlowState state = pump();
  while (state == FlowState::kYield) state = pump();
  EXPECT_EQ(state, FlowState::kDone);
  EXPECT_EQ(to.sent.size(), 300'000U);
}

TEST_F(BodyFlowTest, GivesOthersATurn) {
  start("", length(10'000'000));
  from.arrive(std::string(10'000'000, 'x'));
  int turns = 0;
  std::size_t most = 0;
  FlowState state = pump();
  while (state == FlowState::kYield) {
    ++turns;
    const std::size_t before = to.sent.size();
    state = pump();
    most = std::max(most, to.sent.size() - before);
  }
  EXPECT_EQ(state, FlowState::kDone);
  EXPECT_GE(turns, 2);
  EXPECT_LE(most, 400'000U);
}

TEST_F(BodyFlowTest, SaysWhenThereIsNoBlock) {
  const auto one = pools.small.acquire();
  const auto two = pools.small.acquire();
  start("", length(4));
  from.arrive("body");
  EXPECT_EQ(pump(), FlowState::kNoBuffer);
  start("head", {});
  to.allow(0);
  EXPECT_EQ(pump(), FlowState::kNoBuffer);
}

TEST_F(BodyFlowTest, SaysWhenTheBodyIsTooLarge) {
  start("", length(5), "12345", 4);
  EXPECT_EQ(pump(), FlowState::kTooLarge);
  start("", kChunked, "3\r\nabc\r\n2\r\nde\r\n", 4);
  EXPECT_EQ(pump(), FlowState::kTooLarge);
  start("", kChunked, "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", 4);
  EXPECT_EQ(pump(), FlowState::kDone);
}

// Nobody takes what has come so far, and the rest cannot come.
TEST_F(BodyFlowTest, AChunkIsTooLargeByItsSize) {
  to.allow(0);
  start("head", kChunked, "3\r\nabc\r\n2\r\nd", 4);
  EXPECT_EQ(pump(), FlowState::kTooLarge);
  start("head", kChunked, "3\r\nabc\r\nffffffffffffffff\r\nd", 4);
  EXPECT_EQ(pump(), FlowState::kTooLarge);
}

TEST_F(BodyFlowTest, SaysWhenTheBodyIsBroken) {
  start("", kChunked, "zz\r\n");
  EXPECT_EQ(pump(), FlowState::kMalformed);
}

TEST_F(BodyFlowTest, SaysWhenTheBodyIsCut) {
  for (const auto& framing : {length(4), kChunked}) {
    ScriptedStream cut;
    cut.arrive("");
    start("", framing);
    EXPECT_EQ(flow.pump(cut, to), FlowState::kSourceCut);
    ScriptedStream broken;
    broken.break_off();
    start("", framing);
    EXPECT_EQ(flow.pump(broken, to), FlowState::kSourceCut);
  }
  ScriptedStream broken;
  broken.break_off();
  start("", kUntilClose);
  EXPECT_EQ(flow.pump(broken, to), FlowState::kSourceCut);
}

TEST_F(BodyFlowTest, ABodyUpToTheCloseEndsThere) {
  flow.start("", kUntilClose, http::BodyOutput::kChunked, "ab");
  from.arrive("cd");
  from.arrive("");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(to.sent, "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n");
}

TEST_F(BodyFlowTest, SaysWhenTheReceiverIsGone) {
  start("head", length(4), "body");
  to.break_off();
  EXPECT_EQ(pump(), FlowState::kSinkFailed);
  EXPECT_FALSE(flow.has_sent());
}

TEST_F(BodyFlowTest, ReadsIntoABlockThatItIsGiven) {
  auto block = pools.small.acquire();
  std::memcpy(block->data(), "HEADbo", 6);
  const std::string_view input(block->data() + 4, 2);
  start("", length(4), input);
  flow.adopt(std::move(*block));
  from.arrive("dy");
  EXPECT_EQ(pump(), FlowState::kDone);
  EXPECT_EQ(to.sent, "body");
  EXPECT_EQ(pools.small.on_loan(), 1U);
  EXPECT_TRUE(flow.take_block());
  EXPECT_EQ(pools.small.on_loan(), 0U);
}

// Nobody has asked for that, and it takes no more than the block that there is anyway.
TEST_F(BodyFlowTest, ASmallBodyIsKept) {
  const std::string body(net::BufferPools::kSmallBytes, 'x');
  for (const std::size_t with_head : {0U, 1U, 18'000U}) {
    to.sent.clear();
    start("head", length(body.size()), std::string_view(body).substr(0, with_head));
    EXPECT_EQ(pump(), FlowState::kNeedRead);
    from.arrive(body.substr(with_head, 100));
    EXPECT_EQ(pump(), FlowState::kNeedRead);
    ASSERT_TRUE(flow.has_read());
    EXPECT_TRUE(flow.can_restart());
    EXPECT_EQ(pools.small.on_loan(), 1U);
    EXPECT_EQ(pools.large.on_loan(), 0U);
    to.sent.clear();
    flow.restart("again", length(body.size()), http::BodyOutput::kAsIs, {});
    EXPECT_EQ(pump(), FlowState::kNeedRead);
    from.arrive(body.substr(with_head + 100));
    EXPECT_EQ(pump(), FlowState::kDone);
    EXPECT_EQ(to.sent, "again" + body);
    flow.reset();
  }
}

TEST_F(BodyFlowTest, ALongerOneAndOneOfAnUnknownLengthAreNot) {
  start("head", length(net::BufferPools::kSmallBytes + 1));
  from.arrive("b");
  EXPECT_EQ(pump(), FlowState::kNeedRead);
  EXPECT_FALSE(flow.can_restart());
  flow.reset();
  start("head", kChunked);
  from.arrive("1\r\nb\r\n");
  EXPECT_EQ(pump(), FlowState::kNeedRead);
  EXPECT_FALSE(flow.can_restart());
}

TEST_F(BodyFlowTest, ProgressRisesWithEveryByte) {
  start("head", length(4));
  EXPECT_EQ(pump(), FlowState::kNeedRead);
  const std::uint64_t before = flow.progress();
  EXPECT_EQ(pump(), FlowState::kNeedRead);
  EXPECT_EQ(flow.progress(), before);
  to.allow(0);
  from.arrive("b");
  EXPECT_EQ(pump(), FlowState::kNeedWrite);
  EXPECT_GT(flow.progress(), before);
}

}  // namespace
}  // namespace canaryd::proxy
