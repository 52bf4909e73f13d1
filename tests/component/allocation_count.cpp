#include "component/allocation_count.hpp"

#include <cstdlib>
#include <new>

namespace {
std::size_t allocations = 0;
}  // namespace

std::size_t canaryd::test::allocation_count() noexcept {
  return allocations;
}

// DEVIATION: the allocator is what is measured here.
void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* const block = std::malloc(bytes)) return block;
  std::abort();
}
// DEVIATION: as above.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes);
}
// DEVIATION: as above.
void operator delete(void* block) noexcept {
  std::free(block);
}
// DEVIATION: as above.
void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}
