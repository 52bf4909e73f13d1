#include "admin/idempotency.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

using Lookup = IdempotencyMemory::Lookup;

Response answer(int status) {
  Response response;
  response.status = status;
  return response;
}

TEST(Idempotency, AnswersTheSameRequestOnce) {
  IdempotencyMemory memory(10);
  EXPECT_EQ(memory.begin("k", "a"), Lookup::kNew);
  EXPECT_EQ(memory.begin("k", "a"), Lookup::kRunning);
  EXPECT_EQ(memory.begin("k", "b"), Lookup::kDifferentRequest);
  memory.remember("k", answer(202));
  EXPECT_EQ(memory.begin("k", "a"), Lookup::kAnswered);
  EXPECT_EQ(memory.answer("k").status, 202);
  EXPECT_EQ(memory.begin("k", "b"), Lookup::kDifferentRequest);
}

TEST(Idempotency, ForgetsTheOldestAnswerFirst) {
  IdempotencyMemory memory(2);
  EXPECT_EQ(memory.begin("running", ""), Lookup::kNew);
  for (const char* key : {"1", "2", "3"}) {
    EXPECT_EQ(memory.begin(key, ""), Lookup::kNew);
    memory.remember(key, answer(200));
  }
  EXPECT_EQ(memory.begin("running", ""), Lookup::kRunning);
  EXPECT_EQ(memory.begin("2", ""), Lookup::kAnswered);
  EXPECT_EQ(memory.begin("3", ""), Lookup::kAnswered);
  EXPECT_EQ(memory.begin("1", ""), Lookup::kNew);
}

}  // namespace
}  // namespace canaryd::admin
