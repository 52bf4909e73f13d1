#include "canaryd/net/buffer_pool.hpp"

#include <algorithm>
#include <new>

namespace canaryd::net {

BufferPool::BufferPool(Limits limits)
    : limits_(limits), free_(std::make_unique<char*[]>(limits.cached_max)) {}

BufferPool::~BufferPool() {
  CANARYD_ASSERT(on_loan_ == 0);
  while (cached_ > 0) ::operator delete(free_[--cached_]);
}

Result<Buffer> BufferPool::acquire() {
  if (cached_ == 0 || on_loan_ >= limits_.blocks_max) return acquire(1);
  char* block = free_[--cached_];  // The last one back is the warmest in the cache.
  ++on_loan_;
  return Buffer(*this, block, limits_.block_bytes);
}

Result<Buffer> BufferPool::acquire(std::size_t blocks) {
  CANARYD_ASSERT(blocks > 0);
  const std::size_t left = limits_.blocks_max - std::min(on_loan_, limits_.blocks_max);
  char* data = nullptr;
  if (blocks <= left) {
    data = static_cast<char*>(::operator new(blocks* limits_.block_bytes, std::nothrow));
  }
  if (data == nullptr) {
    ++refused_;
    return fail(ErrorCode::kLimit);
  }
  on_loan_ += blocks;
  return Buffer(*this, data, blocks * limits_.block_bytes);
}

void BufferPool::give_back(char* data, std::size_t bytes) noexcept {
  const std::size_t blocks = bytes == limits_.block_bytes ? 1 : bytes / limits_.block_bytes;
  CANARYD_ASSERT(on_loan_ >= blocks);
  on_loan_ -= blocks;
  if (blocks == 1 && cached_ < limits_.cached_max) {
    free_[cached_++] = data;
  } else {
    ::operator delete(data);
  }
}

}  // namespace canaryd::net
