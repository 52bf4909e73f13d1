// How far readers of the journal have come.
#include "state_fixture.hpp"

#include <gtest/gtest.h>

namespace canaryd::store {
namespace {

using namespace test;
using CursorTest = StateFixture;

Result<void> move(Store& store, const std::string& reader, std::uint64_t id) {
  Batch batch;
  batch.cursors.push_back({reader, id});
  return store.write(batch);
}

TEST_F(CursorTest, ANewReaderStandsAtTheNewestRow) {
  auto store = open().value();
  EXPECT_EQ(store->open_cursor("early").value(), 0U);
  Journalist journalist;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(store->write(batch_of(journalist.next())).has_value());
  }
  EXPECT_EQ(store->open_cursor("late").value(), 3U);
  EXPECT_EQ(store->open_cursor("early").value(), 0U);
}

TEST_F(CursorTest, ItRisesAndOutlivesTheProcess) {
  {
    auto store = open().value();
    ASSERT_TRUE(store->open_cursor("hook").has_value());
    ASSERT_TRUE(move(*store, "hook", 7).has_value());
    ASSERT_TRUE(move(*store, "hook", 5).has_value());
  }
  EXPECT_EQ(open().value()->open_cursor("hook").value(), 7U);
}

TEST_F(CursorTest, WhoReadsNoMoreIsForgotten) {
  auto store = open().value();
  for (const char* reader : {"shop a", "shop b", "shop-2 a", "sho a", "shop", "shop!"}) {
    ASSERT_TRUE(store->open_cursor(reader).has_value());
  }
  Journalist journalist;
  ASSERT_TRUE(store->write(batch_of(journalist.next())).has_value());
  Batch batch;
  batch.readers.push_back({"shop ", {"shop b", "shop c"}});
  ASSERT_TRUE(store->write(batch).has_value());
  EXPECT_EQ(store->open_cursor("shop a").value(), 1U) << "a new one";
  EXPECT_EQ(store->open_cursor("shop c").value(), 1U);
  for (const char* reader : {"shop b", "shop-2 a", "sho a", "shop", "shop!"}) {
    EXPECT_EQ(store->open_cursor(reader).value(), 0U) << reader;
  }
}

TEST_F(CursorTest, AStateFileOfTheFirstSchemaGetsThem) {
  Journalist journalist;
  ASSERT_TRUE(open().value()->write(batch_of(journalist.next())).has_value());
  tamper(std::string(kWithoutPruned) +
         "DROP TABLE stable_idle; DROP TABLE reader; PRAGMA user_version = 2");
  auto store = open().value();
  EXPECT_EQ(store->open_cursor("hook").value(), 1U);
  EXPECT_EQ(store->latest().value().at(0).entry.rollout, "checkout");
}

}  // namespace
}  // namespace canaryd::store
