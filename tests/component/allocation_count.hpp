// How often this program has asked for memory. Linking it replaces the global allocator by malloc.
#pragma once

#include <cstddef>

namespace canaryd::test {

[[nodiscard]] std::size_t allocation_count() noexcept;

}  // namespace canaryd::test
