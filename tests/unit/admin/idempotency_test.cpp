#include "admin/idempotency.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

using Lookup = IdempotencyMemory::Lookup;

constexpr std::size_t kRoom = std::size_t{1024} * 1024;

Response answer(int status) {
  Response response;
  response.status = status;
  return response;
}

TEST(Idempotency, AnswersTheSameRequestOnce) {
  IdempotencyMemory memory(10, kRoom);
  EXPECT_EQ(memory.begin("k", "a"), Lookup::kNew);
  EXPECT_EQ(memory.begin("k", "a"), Lookup::kRunning);
  EXPECT_EQ(memory.begin("k", "b"), Lookup::kDifferentRequest);
  memory.remember("k", answer(202));
  EXPECT_EQ(memory.begin("k", "a"), Lookup::kAnswered);
  EXPECT_EQ(memory.answer("k").status, 202);
  EXPECT_EQ(memory.begin("k", "b"), Lookup::kDifferentRequest);
}

TEST(Idempotency, ForgetsTheOldestAnswerFirst) {
  IdempotencyMemory memory(2, kRoom);
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

TEST(Idempotency, TellsLongRequestsApartWithoutKeepingThem) {
  IdempotencyMemory memory(2000, kRoom);
  std::string body(60000, 'x');
  for (int i = 0; i < 1100; ++i) {
    const std::string key = std::to_string(i);
    EXPECT_EQ(memory.begin(key, body), Lookup::kNew);
    memory.remember(key, answer(200));
  }
  EXPECT_LT(memory.bytes(), 1100U * 600) << "of 66 MB that were sent";
  EXPECT_EQ(memory.begin("0", body), Lookup::kAnswered);
  EXPECT_EQ(memory.begin("1099", body), Lookup::kAnswered);
  body.back() = 'y';
  EXPECT_EQ(memory.begin("1099", body), Lookup::kDifferentRequest);
}

TEST(Idempotency, BoundsTheBytesOfItsAnswers) {
  IdempotencyMemory memory(1000, 100000);
  Response large = answer(200);
  large.body.assign(30000, 'x');
  for (const char* key : {"1", "2", "3", "4"}) {
    EXPECT_EQ(memory.begin(key, ""), Lookup::kNew);
    memory.remember(key, large);
    EXPECT_LE(memory.bytes(), 100000U) << key;
  }
  EXPECT_EQ(memory.begin("4", ""), Lookup::kAnswered);
  EXPECT_EQ(memory.begin("2", ""), Lookup::kAnswered);
  EXPECT_EQ(memory.begin("1", ""), Lookup::kNew);
  memory.forget("1");
  // One that has no room beside others still holds for the next try.
  large.body.assign(200000, 'x');
  EXPECT_EQ(memory.begin("5", ""), Lookup::kNew);
  memory.remember("5", large);
  EXPECT_EQ(memory.begin("5", ""), Lookup::kAnswered);
  EXPECT_EQ(memory.begin("4", ""), Lookup::kNew);
  EXPECT_EQ(memory.begin("6", ""), Lookup::kNew);
  memory.remember("6", answer(200));
  EXPECT_LT(memory.bytes(), 1000U);
}

}  // namespace
}  // namespace canaryd::admin
