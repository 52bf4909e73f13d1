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

TEST(BufferPoolTest, LendsSeveralBlocksInOnePiece) {
  BufferPool pool({.block_bytes = 1, .blocks_max = 100, .cached_max = 0});
  auto piece = pool.acquire(60);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->size(), 60U);
  EXPECT_EQ(pool.on_loan(), 60U);
  EXPECT_FALSE(pool.acquire(41).has_value());
  EXPECT_EQ(pool.refused(), 1U);
  const auto rest = pool.acquire(40);
  EXPECT_TRUE(rest.has_value());
  piece->release();
  EXPECT_EQ(pool.on_loan(), 40U);
  EXPECT_EQ(pool.cached(), 0U);
}

TEST(BufferPoolTest, ALargePieceIsNotKeptAsABlock) {
  BufferPool pool({.block_bytes = 64, .blocks_max = 8, .cached_max = 8});
  std::move(*pool.acquire(3)).release();
  EXPECT_EQ(pool.on_loan(), 0U);
  EXPECT_EQ(pool.cached(), 0U);
}

TEST(BufferPoolTest, TheBoundMayMove) {
  BufferPool pool({.block_bytes = 64, .blocks_max = 1, .cached_max = 8});
  auto first = pool.acquire();
  EXPECT_FALSE(pool.acquire().has_value());
  pool.set_blocks_max(2);
  auto second = pool.acquire();
  ASSERT_TRUE(second.has_value());
  // Fewer than are on loan: it waits until they are back.
  pool.set_blocks_max(1);
  first->release();
  EXPECT_FALSE(pool.acquire().has_value());
  second->release();
  EXPECT_TRUE(pool.acquire().has_value());
}

}  // namespace
}  // namespace canaryd::net
