// The opening handshake of WebSocket (RFC 6455 section 4), the one protocol that is switched to,
// and a follower of its frames (section 5.2) that never looks at what is said.
//
// Anything that is not exactly the handshake is no offer: the request goes on as a plain one,
// without Upgrade (RFC 9110 section 7.8). Pure. Thread rule: a FrameTracker has one owner. Bounds:
// a tracker holds one frame's header.
#pragma once

#include "canaryd/http/message.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canaryd::http {

// GET, HTTP/1.1, no body, Upgrade: websocket and nothing else, named by Connection, and one
// Sec-WebSocket-Key of the right form that Connection does not name.
[[nodiscard]] bool offers_websocket(const RequestHead& head) noexcept;

// Does this 101 agree? Upgrade: websocket and nothing else, named by Connection, and one
// Sec-WebSocket-Accept of the right length. Whether it was asked for is the caller's to know.
[[nodiscard]] bool accepts_websocket(const ResponseHead& head) noexcept;

// Is its Sec-WebSocket-Accept the one that belongs to the key of this offer (section 4.2.2)? Of
// heads that have passed the two checks above.
[[nodiscard]] bool answers_offer(const ResponseHead& head, const RequestHead& offer);

// Status codes of Close frames (RFC 6455 section 7.4.1).
inline constexpr std::uint16_t kCloseGoingAway = 1001;
inline constexpr std::uint16_t kCloseInternalError = 1011;

// Knows where frames end in one direction of a connection, and whether a Close frame has passed.
// Payloads are skipped, so the cost is one step a frame.
class FrameTracker {
 public:
  // Only clients mask (RFC 6455 section 5.1).
  explicit FrameTracker(bool masked) noexcept : masked_(masked) {}

  // Consumes up to the end of the frame under way, or all; returns how much. `bytes` is not empty.
  [[nodiscard]] std::size_t next(std::string_view bytes) noexcept;

  // No frame is under way: another may be put here.
  [[nodiscard]] bool at_boundary() const noexcept {
    return header_size_ == 0 && payload_left_ == 0 && !lost_;
  }
  // This is not WebSocket; what follows is not looked at any more.
  [[nodiscard]] bool lost() const noexcept { return lost_; }
  // A whole Close frame has passed.
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  // What it said; 0: nothing, or it was masked.
  [[nodiscard]] std::uint16_t close_code() const noexcept { return close_code_; }

 private:
  [[nodiscard]] std::size_t header_bytes() const noexcept;
  [[nodiscard]] bool read_header() noexcept;
  void read_close(std::string_view payload) noexcept;

  std::uint64_t payload_left_ = 0;
  std::array<unsigned char, 14> header_{};
  std::uint8_t header_size_ = 0;  // Bytes of it that are here; 0 while a payload is skipped.
  std::uint8_t close_bytes_ = 0;  // Of the Close frame's status code.
  std::uint16_t close_code_ = 0;
  bool masked_;
  bool closing_ = false;  // The frame under way is a Close frame.
  bool closed_ = false;
  bool lost_ = false;
};

// A Close frame of ours. `mask` 0: from the server; else from the client, with that key.
class CloseFrame {
 public:
  explicit CloseFrame(std::uint16_t code, std::uint32_t mask = 0) noexcept;
  [[nodiscard]] std::string_view bytes() const noexcept { return {bytes_.data(), size_}; }

 private:
  std::array<char, 8> bytes_{};
  std::size_t size_ = 4;
};

}  // namespace canaryd::http
