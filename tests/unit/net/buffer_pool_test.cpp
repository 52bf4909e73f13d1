#include "canaryd/net/buffer_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace canaryd::net {
namespace {

TEST(BufferPoolTest, LendsAndTakesBack) {
  BufferPool pool({.block_bytes = 64, .blocks_max = 4, .cached_max = 2});
  {
    auto block = pool.acquire();
    ASSERT_TRUE(block.has_value());
    EXPECT_EQ(block->span().size(), 64U);
    std::fill(block->span().begin(), block->span().end(), 'x');
    EXPECT_EQ(pool.on_loan(), 1U);
  }
  EXPECT_EQ(pool.on_loan(), 0U);
  EXPECT_EQ(pool.cached(), 1U);
}

TEST(BufferPoolTest, ExhaustionIsAnErrorAndPasses) {
  BufferPool pool({.block_bytes = 64, .blocks_max = 2, .cached_max = 2});
  auto first = pool.acquire();
  auto second = pool.acquire();
  const auto third = pool.acquire();
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, ErrorCode::kLimit);
  EXPECT_EQ(pool.refused(), 1U);
  first->release();
  EXPECT_TRUE(pool.acquire().has_value());
}

TEST(BufferPoolTest, KeepsNoMoreFreeBlocksThanItsBound) {
  BufferPool pool({.block_bytes = 64, .blocks_max = 8, .cached_max = 2});
  std::vector<Buffer> blocks;
  for (int i = 0; i < 8; ++i) blocks.push_back(std::move(*pool.acquire()));
  blocks.clear();
  EXPECT_EQ(pool.on_loan(), 0U);
  EXPECT_EQ(pool.cached(), 2U);
}

TEST(BufferPoolTest, MovingAHandleMovesTheLoan) {
  BufferPool pool({.block_bytes = 64, .blocks_max = 8, .cached_max = 8});
  Buffer a = std::move(*pool.acquire());
  Buffer b = std::move(*pool.acquire());
  char* kept = b.data();
  a = std::move(b);
  EXPECT_EQ(a.data(), kept);
  EXPECT_FALSE(b);  // NOLINT(bugprone-use-after-move): what is left is what is tested.
  EXPECT_EQ(b.size(), 0U);
  EXPECT_EQ(pool.on_loan(), 1U);
  a.release();
  a.release();
  EXPECT_EQ(pool.on_loan(), 0U);
}

}  // namespace
}  // namespace canaryd::net
