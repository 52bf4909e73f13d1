#include "canaryd/http/grpc.hpp"

#include "canaryd/http/body.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::http {
namespace {

GrpcStatusSet usual() {
  GrpcStatusSet failures;
  for (const unsigned status : {2U, 4U, 13U, 14U, 15U}) failures.set(status);
  return failures;
}

TEST(Grpc, IsAContentType) {
  for (const char* type : {"application/grpc",
                           "application/grpc+proto",
                           "Application/gRPC; charset=x",
                           "application/grpc-web+proto",
                           "application/grpc ;a=b"}) {
    EXPECT_TRUE(is_grpc(type)) << type;
  }
  for (const char* type :
       {"", "application/grp", "application/grpcx", "application/json", "text/application/grpc"}) {
    EXPECT_FALSE(is_grpc(type)) << type;
  }
}

TEST(Grpc, WhatIsNoKnownStatusIsUnknown) {
  EXPECT_EQ(read_grpc_status("0"), 0);
  EXPECT_EQ(read_grpc_status(" 14\t"), 14);
  EXPECT_EQ(read_grpc_status("16"), 16);
  EXPECT_EQ(read_grpc_status("007"), 7);
  for (const char* value :
       {"", " ", "17", "256", "1000000000000000000000", "-1", "1 4", "x", "1x"}) {
    EXPECT_EQ(read_grpc_status(value), kGrpcUnknown) << value;
  }
}

TEST(Grpc, AFailureHasTheTypeAndOneOfTheStatuses) {
  EXPECT_TRUE(is_grpc_failure(usual(), "application/grpc", 14));
  EXPECT_TRUE(is_grpc_failure(usual(), "application/grpc+proto", kGrpcUnknown));
  EXPECT_FALSE(is_grpc_failure(usual(), "application/grpc", 0));
  EXPECT_FALSE(is_grpc_failure(usual(), "application/grpc", 5)) << "NOT_FOUND is an answer";
  EXPECT_FALSE(is_grpc_failure(usual(), "application/grpc", std::nullopt));
  EXPECT_FALSE(is_grpc_failure(usual(), "application/json", 14));
  EXPECT_FALSE(is_grpc_failure({}, "application/grpc", 14));
}

std::optional<std::uint8_t> status_behind(std::string_view body, std::size_t piece) {
  BodyFraming framing;
  framing.kind = BodyKind::kChunked;
  BodyTracker tracker(framing);
  while (!body.empty() && !tracker.complete()) {
    std::string_view input = body.substr(0, piece);
    while (!input.empty() && !tracker.complete()) {
      const BodyStep step = tracker.next(input);
      if (step.state == BodyState::kError) return std::nullopt;
      input.remove_prefix(step.consumed);
    }
    body.remove_prefix(std::min(piece, body.size()));
  }
  EXPECT_TRUE(tracker.complete());
  return tracker.grpc_status();
}

TEST(Grpc, TheStatusIsInTheTrailers) {
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 1000U}) {
    EXPECT_EQ(status_behind("2\r\nok\r\n0\r\nA: 1\r\ngrpc-status: 14\r\nB: 2\r\n\r\n", piece), 14);
    EXPECT_EQ(status_behind("0\r\nGRPC-STATUS:0\r\n\r\n", piece), 0);
    EXPECT_EQ(status_behind("0\r\nGrpc-Status: \r\n\r\n", piece), kGrpcUnknown);
    EXPECT_EQ(status_behind("0\r\ngrpc-status-details-bin: 14\r\nxgrpc-status: 3\r\n\r\n", piece),
              std::nullopt);
    EXPECT_EQ(status_behind("11\r\ngrpc-status: 14\r\n\r\n0\r\n\r\n", piece), std::nullopt);
  }
}

// For a receiver that gets no trailers as well; and a tracker that is used again begins anew.
TEST(Grpc, TheStatusIsReadWhereTheFieldIsCut) {
  BodyFraming framing;
  framing.kind = BodyKind::kChunked;
  BodyTracker tracker(framing, BodyOutput::kData);
  const std::string body = "0\r\ngrpc-status: 13\r\n\r\n";
  std::string_view input = body;
  while (!input.empty()) input.remove_prefix(tracker.next(input).consumed);
  EXPECT_EQ(tracker.grpc_status(), 13);
  tracker.start(framing, BodyOutput::kAsIs);
  EXPECT_EQ(tracker.grpc_status(), std::nullopt);
}

}  // namespace
}  // namespace canaryd::http
