// Blocks of memory for reading, bounded per worker. A connection takes one when it has something to
// read and gives it back when the message is through: an idle connection holds none.
//
// Small blocks hold a head and most bodies: 16 KiB, which is what servers like to write at once,
// and the head before it. Bodies that are seen to be longer go through medium or large ones, which
// halves the cost of big ones (docs/design.md section 12). What has to wait while it is small, such
// as half a head, waits in a piece of exactly its size. A few free
// blocks are kept, the rest goes back to the allocator. Contents are not cleared.
//
// Thread rule: one worker. Limits: blocks_max each; reaching it is kLimit, for the caller to count
// and answer.
#pragma once

#include "canaryd/base/error.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace canaryd::net {

class BufferPool;

// A block on loan; gives itself back.
class Buffer {
 public:
  Buffer() noexcept = default;
  Buffer(Buffer&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      release();
      pool_ = std::exchange(other.pool_, nullptr);
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~Buffer() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return data_ != nullptr; }
  [[nodiscard]] char* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }  // 0 for an empty handle.
  [[nodiscard]] std::span<char> span() const noexcept { return {data_, size()}; }
  inline void release() noexcept;

 private:
  friend class BufferPool;
  Buffer(BufferPool& pool, char* data, std::size_t size) noexcept
      : pool_(&pool), data_(data), size_(size) {}

  BufferPool* pool_ = nullptr;
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

class BufferPool {
 public:
  struct Limits {
    std::size_t block_bytes = 0;
    std::size_t blocks_max = 0;  // On loan at once.
    std::size_t cached_max = 0;  // Free blocks kept.
  };

  explicit BufferPool(Limits limits);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  // Every buffer has come back by then.
  ~BufferPool();

  [[nodiscard]] Result<Buffer> acquire();
  // That many blocks in one piece, which is not kept when it comes back. At least one.
  [[nodiscard]] Result<Buffer> acquire(std::size_t blocks);

  // May be fewer than are on loan: then nothing is lent until enough have come back.
  void set_blocks_max(std::size_t blocks_max) noexcept { limits_.blocks_max = blocks_max; }

  [[nodiscard]] std::size_t block_bytes() const noexcept { return limits_.block_bytes; }
  [[nodiscard]] std::size_t on_loan() const noexcept { return on_loan_; }  // In blocks.
  [[nodiscard]] std::size_t cached() const noexcept { return cached_; }
  // acquire() calls that found the pool exhausted, since the start.
  [[nodiscard]] std::size_t refused() const noexcept { return refused_; }

 private:
  friend class Buffer;
  void give_back(char* data, std::size_t bytes) noexcept;

  Limits limits_;
  std::size_t on_loan_ = 0;
  std::size_t refused_ = 0;
  std::unique_ptr<char*[]> free_;  // limits_.cached_max places, of which the first cached_ count.
  std::size_t cached_ = 0;
};

inline void Buffer::release() noexcept {
  if (data_ == nullptr) return;
  std::exchange(pool_, nullptr)->give_back(std::exchange(data_, nullptr), std::exchange(size_, 0));
}

// The pools of a worker. The default bounds one worker's buffers at about 64 MiB of each kind; the
// daemon raises the number of small blocks to what its connections can need.
struct BufferPools {
  static constexpr std::size_t kSmallBytes = 18 * 1024;
  static constexpr std::size_t kMediumBytes = 66 * 1024;
  static constexpr std::size_t kLargeBytes = 256 * 1024;
  struct Limits {
    std::size_t small_blocks_max = 4096;
    std::size_t medium_blocks_max = 1024;
    std::size_t large_blocks_max = 256;
    std::size_t exact_bytes_max = 64 * 1024 * 1024;
  };

  BufferPools() : BufferPools(Limits{}) {}
  explicit BufferPools(Limits limits)
      : small({kSmallBytes, limits.small_blocks_max, 64}),
        medium({kMediumBytes, limits.medium_blocks_max, 32}),
        large({kLargeBytes, limits.large_blocks_max, 8}),
        exact({1, limits.exact_bytes_max, 0}) {}

  BufferPool small;
  BufferPool medium;
  BufferPool large;
  BufferPool exact;  // In bytes: pieces of any size.
};

}  // namespace canaryd::net
