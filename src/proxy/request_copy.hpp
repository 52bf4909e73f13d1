// The copy of one request for its route's mirror: the head, then the body as it is forwarded,
// framing and all, gathered while it passes by.
//
// Thread rule: one worker. Bounds: the policy's for the body; the pool's for all copies together. A
// copy that reaches one lets go of what it has, and says which it was.
#pragma once

#include "canaryd/net/buffer_pool.hpp"
#include "canaryd/stats/counter_block.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace canaryd::proxy {

class RequestCopy {
 public:
  // The pool is one of bytes.
  RequestCopy(net::BufferPool& bytes, std::uint64_t body_bytes_max) noexcept
      : bytes_(&bytes), body_bytes_max_(body_bytes_max) {}

  // The request from its beginning. Each try sends the same one: a head that is here stays.
  void start() noexcept { size_ = head_size_; }
  [[nodiscard]] bool has_head() const noexcept { return head_size_ > 0; }
  void set_head(std::string_view head);
  // The next bytes of the body.
  void append(std::string_view run);

  // kTooLarge or kBusy: nothing comes of it.
  [[nodiscard]] std::optional<stats::Mirrored> failed() const noexcept { return failed_; }
  [[nodiscard]] std::string_view text() const noexcept { return {block_.data(), size_}; }
  [[nodiscard]] std::size_t body_size() const noexcept { return size_ - head_size_; }

 private:
  void put(std::string_view bytes);
  void fail(stats::Mirrored why) noexcept;

  net::BufferPool* bytes_;
  std::uint64_t body_bytes_max_;
  net::Buffer block_;
  std::size_t head_size_ = 0;
  std::size_t size_ = 0;
  std::optional<stats::Mirrored> failed_;
};

}  // namespace canaryd::proxy
