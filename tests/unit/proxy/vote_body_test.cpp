#include "proxy/vote_body.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::proxy {
namespace {

struct Read {
  VoteRead result = VoteRead::kMalformed;
  unsigned score = 0;
  std::string page;
  std::string comment;
};

Read read(const std::string& body) {
  VoteBody vote;
  Read made;
  made.result = read_vote(body, vote);
  if (made.result != VoteRead::kGood) return made;
  made.score = vote.score;
  made.page = vote.page;
  made.comment.assign(vote.comment.data(), vote.comment_size);
  return made;
}

TEST(VoteBody, OnlyTheScoreMustBeThere) {
  const Read vote = read(R"({"score":4})");
  EXPECT_EQ(vote.result, VoteRead::kGood);
  EXPECT_EQ(vote.score, 4U);
  EXPECT_EQ(vote.page, "/");
  EXPECT_EQ(vote.comment, "");
}

TEST(VoteBody, MembersComeInAnyOrder) {
  const Read vote = read(
      "\r\n { \"comment\" : \"slow, \\\"very\\\"\" ,\t\"path\":\"/a?b=c\", \"score\" : 1 } \n");
  EXPECT_EQ(vote.result, VoteRead::kGood);
  EXPECT_EQ(vote.score, 1U);
  EXPECT_EQ(vote.page, "/a?b=c");
  EXPECT_EQ(vote.comment, "slow, \"very\"");
}

TEST(VoteBody, DecodesText) {
  EXPECT_EQ(read(R"({"score":5,"comment":"\u00fc\ud83d\ude00\n\/\\x\u0041"})").comment,
            "\u00fc\U0001F600\n/\\xA");
  EXPECT_EQ(read("{\"score\":5,\"comment\":\"gr\u00fc\u00df\"}").comment, "gr\u00fc\u00df");
}

TEST(VoteBody, AnythingElseIsRefused) {
  for (const char* body : {"",
                           "{}",
                           "[]",
                           "4",
                           "null",
                           R"({"score":0})",
                           R"({"score":6})",
                           R"({"score":45})",
                           R"({"score":4.0})",
                           R"({"score":-1})",
                           R"({"score":"4"})",
                           R"({"score":4,})",
                           R"({"score":4)",
                           R"({"score":4}})",
                           R"({"score":4,"score":4})",
                           R"({"score":4,"cohort":"canary"})",
                           R"({"score":4,"comment":4})",
                           R"({"score":4,"comment":"a","comment":"b"})",
                           R"({"score":4,"comment":"\x"})",
                           R"({"score":4,"comment":"\ud83d"})",
                           R"({"score":4,"comment":"\ud83d\u0041"})",
                           R"({"score":4,"comment":"\ude00"})",
                           R"({"score":4,"comment":"\u0000"})",
                           R"({"score":4,"comment":"\u12"})",
                           R"({"score":4,"comment":"\)",
                           R"({"score":4,"comment":"open)",
                           R"({"score":4,"path":"a"})",
                           R"({"score":4,"path":""})",
                           R"({"score":4,"path":"/\u0041"})",
                           R"({"score":4,"path":"/","path":"/"})"}) {
    EXPECT_EQ(read(body).result, VoteRead::kMalformed) << body;
  }
  EXPECT_EQ(read("{\"score\":4,\"comment\":\"\xff\"}").result, VoteRead::kMalformed);
  EXPECT_EQ(read("{\"score\":4,\"comment\":\"a\nb\"}").result, VoteRead::kMalformed);
}

TEST(VoteBody, ACommentHasALimitInBytes) {
  const auto with = [](const std::string& text) {
    return read("{\"score\":4,\"comment\":\"" + text + "\"}").result;
  };
  EXPECT_EQ(with(std::string(stats::kCommentBytesMax, 'x')), VoteRead::kGood);
  EXPECT_EQ(with(std::string(stats::kCommentBytesMax + 1, 'x')), VoteRead::kTooLong);
  EXPECT_EQ(with(std::string(stats::kCommentBytesMax - 1, 'x') + "\\u00fc"), VoteRead::kTooLong);
}

}  // namespace
}  // namespace canaryd::proxy
