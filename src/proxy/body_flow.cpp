#include "proxy/body_flow.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace canaryd::proxy {
namespace {

// What one pump moves before others get a turn.
constexpr int kReadsPerTurn = 16;
constexpr std::uint64_t kBytesPerTurn = std::uint64_t{128} * 1024;
// Space that a read of the last bytes leaves, to see that nothing follows them.
constexpr std::size_t kBehindTheEnd = 16;
// A block is at most so many times what has come of its body.
constexpr std::uint64_t kCreditFactor = 8;

}  // namespace

void BodyFlow::start(std::string_view head,
                     const http::BodyFraming& framing,
                     http::BodyOutput output,
                     std::string_view input,
                     std::optional<std::uint64_t> data_max) noexcept {
  // What was kept of a head before this one will not be sent.
  saved_.release();
  tracker_.start(framing, output);
  head_ = head;
  forward_ = {};
  input_ = input;
  has_length_ = framing.kind == http::BodyKind::kLength;
  length_ = framing.length;
  data_max_ = data_max.value_or(UINT64_MAX);
  bytes_sent_ = bytes_read_ = 0;
  full_reads_ = 0;
  hold_max_ = 0;
  started_ = true;
  has_read_ = holding_ = false;
}

void BodyFlow::restart(std::string_view head,
                       const http::BodyFraming& framing,
                       http::BodyOutput output,
                       std::optional<std::uint64_t> data_max) noexcept {
  const std::uint64_t hold_max = hold_max_;
  start(head, framing, output, {block_.data(), held_}, data_max);
  // It may have to go out once more.
  has_read_ = holding_ = true;
  hold_max_ = hold_max;
}

void BodyFlow::reset() noexcept {
  release();
  copy_ = nullptr;
  head_ = forward_ = input_ = {};
  bytes_sent_ = bytes_read_ = 0;
  hold_max_ = 0;
  started_ = has_read_ = holding_ = false;
}

FlowState BodyFlow::pump(net::Stream& from, net::Stream& to) {
  int reads = 0;
  const std::uint64_t read_before = bytes_read_;
  for (;;) {
    // Digest first, so that the head and the first run of the body share one system call.
    if (forward_.empty() && !input_.empty() && !tracker_.complete()) {
      if (const auto failed = digest()) return *failed;
    }
    if (!head_.empty() || !forward_.empty()) {
      if (const auto stopped = send_pending(to)) return *stopped;
      continue;
    }
    if (tracker_.complete()) return FlowState::kDone;
    if (!input_.empty()) continue;
    if (!from.readable_flag()) return FlowState::kNeedRead;
    if (++reads > kReadsPerTurn || bytes_read_ - read_before >= kBytesPerTurn) {
      return FlowState::kYield;
    }
    if (const auto stopped = read(from)) return *stopped;
  }
}

std::optional<FlowState> BodyFlow::send_pending(net::Stream& to) {
  if (!to.writable_flag()) return save_head() ? FlowState::kNeedWrite : FlowState::kNoBuffer;
  const net::IoResult sent = to.send(head_, forward_);
  if (sent.failed() || sent.eof()) return FlowState::kSinkFailed;
  bytes_sent_ += sent.bytes;
  const std::size_t of_head = std::min(sent.bytes, head_.size());
  head_.remove_prefix(of_head);
  forward_.remove_prefix(sent.bytes - of_head);
  if (head_.empty()) saved_.release();
  if (head_.empty() && forward_.empty()) return std::nullopt;
  return save_head() ? FlowState::kNeedWrite : FlowState::kNoBuffer;
}

// The worker's scratch is not ours beyond this call: what is left of the head moves into a block.
bool BodyFlow::save_head() {
  if (head_.empty() || saved_) return true;
  auto& pool = head_.size() <= net::BufferPools::kSmallBytes ? buffers_->small : buffers_->large;
  auto block = pool.acquire();
  if (!block || block->size() < head_.size()) return false;
  saved_ = std::move(*block);
  std::memcpy(saved_.data(), head_.data(), head_.size());
  head_ = {saved_.data(), head_.size()};
  return true;
}

std::optional<FlowState> BodyFlow::digest() {
  const http::BodyStep step = tracker_.next(input_);
  input_.remove_prefix(step.consumed);
  forward_ = step.forward;
  if (step.state == http::BodyState::kError) return FlowState::kMalformed;
  if (tracker_.exceeds(data_max_)) return FlowState::kTooLarge;
  if (copy_ != nullptr) copy_->append(forward_);
  return std::nullopt;
}

std::optional<FlowState> BodyFlow::read(net::Stream& from) {
  if (hold_max_ > 0 ? !prepare_held_block() : !prepare_block()) return FlowState::kNoBuffer;
  const std::size_t at = holding_ ? held_ : 0;
  const std::size_t space = std::min(read_max(), block_.size() - at);
  const net::IoResult got = from.recv(block_.span().subspan(at, space));
  if (got.would_block()) return FlowState::kNeedRead;
  if (got.failed()) return FlowState::kSourceCut;
  if (got.eof()) {
    const http::BodyStep last = tracker_.finish();
    forward_ = last.forward;
    if (last.state == http::BodyState::kError) return FlowState::kSourceCut;
    return std::nullopt;
  }
  has_read_ = true;
  bytes_read_ += got.bytes;
  full_reads_ = got.bytes == block_.size() ? static_cast<std::uint8_t>(full_reads_ + 1) : 0;
  if (holding_) held_ += got.bytes;
  input_ = {block_.data() + at, got.bytes};
  return std::nullopt;
}

// Everything read so far is used up, and stays where it is: the next bytes come behind it. A body
// that becomes too long is let go, and flows on as any other.
bool BodyFlow::prepare_held_block() {
  if (!holding_ && !has_read_ && tracker_.data_bytes() <= hold_max_) {
    auto& pool =
        held_input_.size() < net::BufferPools::kSmallBytes ? buffers_->small : buffers_->large;
    auto block = pool.acquire();
    if (!block) return false;
    block_ = std::move(*block);
    held_ = std::min(held_input_.size(), block_.size());
    if (held_ > 0) std::memcpy(block_.data(), held_input_.data(), held_);
    holding_ = true;
  }
  if (!holding_ || tracker_.data_bytes() > hold_max_) {
    hold_max_ = 0;
    holding_ = false;
    return prepare_block();
  }
  if (held_ < block_.size()) return true;
  if (block_.size() < net::BufferPools::kLargeBytes) {
    if (auto large = buffers_->large.acquire()) {
      std::memcpy(large->data(), block_.data(), held_);
      block_ = std::move(*large);
      return true;
    }
  }
  hold_max_ = 0;
  holding_ = false;
  return true;
}

// Everything read so far is used up, so that another block may take this one's place.
bool BodyFlow::prepare_block() {
  net::BufferPool& pool = worthy_pool();
  if (block_ && block_.size() >= pool.block_bytes()) return true;
  if (!has_read_ && hold_small_body()) return prepare_held_block();
  auto worthy = pool.acquire();
  full_reads_ = 0;
  if (worthy) {
    block_ = std::move(*worthy);
    return true;
  }
  // No larger block to be had is no reason to stop.
  if (block_) return true;
  auto small = buffers_->small.acquire();
  if (!small) return false;
  block_ = std::move(*small);
  return true;
}

// Before the first read, when all the input is used up: what came with the head lies right before
// its end.
bool BodyFlow::hold_small_body() noexcept {
  if (!bounded_ || !has_length_ || length_ > net::BufferPools::kSmallBytes) return false;
  const auto came = static_cast<std::size_t>(tracker_.data_bytes());
  held_input_ = {input_.data() - came, came};
  hold_max_ = length_;
  return true;
}

net::BufferPool& BodyFlow::worthy_pool() const noexcept {
  using Pools = net::BufferPools;
  // Who sends little at a time will go on so.
  if (has_read_ && full_reads_ == 0) return buffers_->small;
  if (!has_length_) return full_reads_ < 2 ? buffers_->small : buffers_->large;
  const std::uint64_t left = length_ - tracker_.data_bytes() + kBehindTheEnd;
  const std::uint64_t credit = kCreditFactor * tracker_.data_bytes();
  if (left > Pools::kMediumBytes && credit >= Pools::kLargeBytes) return buffers_->large;
  if (left > Pools::kSmallBytes && credit >= Pools::kMediumBytes) return buffers_->medium;
  return buffers_->small;
}

// A request's body with a length is not read beyond its end: what follows belongs to the next
// message, which is not ours to hold. Behind a response nothing may follow, so there it is better
// to see whether something does; and a read that fills its space exactly could not tell that the
// socket is drained, which a pooled connection must be.
std::size_t BodyFlow::read_max() const noexcept {
  if (!bounded_ || !has_length_) return block_.size();
  const std::uint64_t left = length_ - tracker_.data_bytes();
  return static_cast<std::size_t>(std::min<std::uint64_t>(left, block_.size()));
}

}  // namespace canaryd::proxy
