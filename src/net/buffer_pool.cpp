#include "canaryd/net/buffer_pool.hpp"

#include <new>

namespace canaryd::net {

BufferPool::BufferPool(Limits limits) : limits_(limits) {
  free_.reserve(limits.cached_max);
}

BufferPool::~BufferPool() {
  CANARYD_ASSERT(on_loan_ == 0);
  for (char* block : free_) ::operator delete(block);
}

Result<Buffer> BufferPool::acquire() {
  if (on_loan_ >= limits_.blocks_max) {
    ++refused_;
    return fail(ErrorCode::kLimit);
  }
  char* block = nullptr;
  if (free_.empty()) {
    block = static_cast<char*>(::operator new(limits_.block_bytes, std::nothrow));
    if (block == nullptr) {
      ++refused_;
      return fail(ErrorCode::kLimit);
    }
  } else {
    block = free_.back();  // The last one back is the warmest in the cache.
    free_.pop_back();
  }
  ++on_loan_;
  return Buffer(*this, block);
}

void BufferPool::give_back(char* block) noexcept {
  CANARYD_ASSERT(on_loan_ > 0);
  --on_loan_;
  if (free_.size() < limits_.cached_max) {
    free_.push_back(block);  // Within the capacity reserved above.
  } else {
    ::operator delete(block);
  }
}

}  // namespace canaryd::net
