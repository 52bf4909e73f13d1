// One direction of one exchange: a head, then a body, from one stream to another through one block
// of memory.
//
// Back-pressure is not reading: while the receiver takes nothing, the sender is not read, so at
// most one block of a body is held. It begins with a small one and changes to one that is worth
// what is to come: a length says that, or two full reads in a row do (docs/design.md section 12).
// But no block is more than eight times what has come: a length alone costs its sender nothing.
//
// Thread rule: one worker. Nothing here suspends: pump() moves what can be moved and says what to
// wait for.
#pragma once

#include "canaryd/http/body.hpp"
#include "canaryd/net/buffer_pool.hpp"
#include "canaryd/net/stream.hpp"
#include "proxy/request_copy.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace canaryd::proxy {

enum class FlowState : std::uint8_t {
  kNeedRead,   // Wait for the sender.
  kNeedWrite,  // Wait for the receiver.
  kYield,      // Could go on; let others have a turn.
  kDone,
  kMalformed,   // The sender's body breaks its grammar.
  kTooLarge,    // More data than allowed.
  kSourceCut,   // The sender ended too early, orderly or by a reset.
  kSinkFailed,  // The receiver is gone.
  kNoBuffer,    // The worker's pool is exhausted.
  kSetAside,    // A response that is not passed on: another version may give a better one.
};

class BodyFlow {
 public:
  // `bounded`: nothing is read beyond the end of a body with a length.
  explicit BodyFlow(net::BufferPools& buffers, bool bounded = true) noexcept
      : buffers_(&buffers), bounded_(bounded) {}

  // `head` is sent first; it may lie in the worker's scratch, because pump() keeps what it cannot
  // send at once. `input` is what of the body has been received already; it must stay where it is
  // until it is used up.
  void start(std::string_view head,
             const http::BodyFraming& framing,
             http::BodyOutput output,
             std::string_view input,
             std::optional<std::uint64_t> data_max = {}) noexcept;
  // Sends only a head, such as an interim response.
  void start_head(std::string_view head) noexcept { start(head, {}, {}, {}); }
  // Reads go into this block from its start on; the input lies in it, or has been used up.
  void adopt(net::Buffer block) noexcept { block_ = std::move(block); }
  void reset() noexcept;
  // Gives back what memory it has, when nothing is to be moved any more; reset() comes before the
  // next start().
  void release() noexcept {
    saved_.release();
    block_.release();
  }

  // After start(), before pump(): keeps up to so much data of the body, so that restart() can send
  // it again. Costs a block once bytes are read beyond `input`, and no more than a large one. A
  // request's body with a length that is no longer than a small block is kept anyway: it is read
  // into one, wherever it comes from.
  void hold(std::uint64_t data_max) noexcept {
    held_input_ = input_;
    hold_max_ = data_max;
  }
  // Whether what was read of the body is all still here: then restart(), if has_read(), else
  // start() can send it to another receiver.
  [[nodiscard]] bool can_restart() const noexcept { return !has_read_ || holding_; }
  // The message from its beginning: what is held, then what the sender still has.
  void restart(std::string_view head,
               const http::BodyFraming& framing,
               http::BodyOutput output,
               std::optional<std::uint64_t> data_max) noexcept;

  // Gets each run of the body that goes out, until reset(); null: nobody.
  void copy_to(RequestCopy* copy) noexcept { copy_ = copy; }

  // `head` of start() must still be valid at the first call, and need not be afterwards.
  [[nodiscard]] FlowState pump(net::Stream& from, net::Stream& to);

  [[nodiscard]] bool started() const noexcept { return started_; }
  [[nodiscard]] bool complete() const noexcept {
    return started_ && tracker_.complete() && forward_.empty() && head_.empty() && !saved_;
  }
  // Bytes have been read from the sender beyond the first input: the body cannot be sent again.
  [[nodiscard]] bool has_read() const noexcept { return has_read_; }
  // Something of head or body has been handed to the receiver.
  [[nodiscard]] bool has_sent() const noexcept { return bytes_sent_ > 0; }
  [[nodiscard]] std::uint64_t data_bytes() const noexcept {
    return started_ ? tracker_.data_bytes() : 0;
  }
  // Of the trailers; see BodyTracker.
  [[nodiscard]] std::optional<std::uint8_t> grpc_status() const noexcept {
    return tracker_.grpc_status();
  }
  // Bytes moved in or out, of any kind: rises with every progress.
  [[nodiscard]] std::uint64_t progress() const noexcept { return bytes_sent_ + bytes_read_; }

  // After the body is complete: what was received behind it, and the block where it lies.
  [[nodiscard]] std::string_view rest() const noexcept { return input_; }
  [[nodiscard]] net::Buffer take_block() noexcept { return std::move(block_); }

 private:
  [[nodiscard]] std::optional<FlowState> send_pending(net::Stream& to);
  [[nodiscard]] bool save_head();
  [[nodiscard]] std::optional<FlowState> digest();
  [[nodiscard]] std::optional<FlowState> read(net::Stream& from);
  [[nodiscard]] bool prepare_block();
  [[nodiscard]] net::BufferPool& worthy_pool() const noexcept;
  [[nodiscard]] bool prepare_held_block();
  [[nodiscard]] bool hold_small_body() noexcept;
  [[nodiscard]] std::size_t read_max() const noexcept;

  net::BufferPools* buffers_;
  RequestCopy* copy_ = nullptr;
  http::BodyTracker tracker_;
  std::string_view head_;     // Not sent yet; in saved_ once pump() has returned.
  std::string_view forward_;  // Of the body, not sent yet.
  std::string_view input_;    // Received, not digested yet.
  net::Buffer saved_;
  net::Buffer block_;
  std::uint64_t length_ = 0;  // Of a body that has one.
  std::uint64_t data_max_ = UINT64_MAX;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::string_view held_input_;  // Where hold() found the body's beginning.
  std::uint64_t hold_max_ = 0;
  std::size_t held_ = 0;  // Bytes of the body at the beginning of block_, while holding_.
  std::uint8_t full_reads_ = 0;
  bool holding_ = false;  // Bytes were read, and block_ has all of the body so far.
  bool bounded_;
  bool has_length_ = false;
  bool started_ = false;
  bool has_read_ = false;
};

}  // namespace canaryd::proxy
