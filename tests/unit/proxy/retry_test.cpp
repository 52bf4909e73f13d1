#include "proxy/retry.hpp"

#include <gtest/gtest.h>

namespace canaryd::proxy {
namespace {

// Every input there is.
template <class Visitor>
void for_all(Visitor&& visit) {
  for (unsigned error = 0; error < static_cast<unsigned>(ProxyError::kCount); ++error) {
    for (unsigned bits = 0; bits < 256; ++bits) {
      TryFailure failure;
      failure.error = static_cast<ProxyError>(error);
      failure.try_expired = (bits & 128U) != 0;
      failure.reused = (bits & 1U) != 0;
      failure.request_sent = (bits & 2U) != 0;
      failure.body_lost = (bits & 4U) != 0;
      failure.response_seen = (bits & 8U) != 0;
      failure.idempotent = (bits & 16U) != 0;
      upstream::Retries retries;
      retries.on_connect_failure = (bits & 32U) != 0;
      retries.on_reset_before_headers = (bits & 64U) != 0;
      visit(failure, retries);
    }
  }
}

TEST(Retry, NothingGoesTwiceThatMayHaveHadAnEffect) {
  for_all([](const TryFailure& failure, const upstream::Retries& retries) {
    if (!failure.request_sent || failure.idempotent) return;
    EXPECT_EQ(retry_of(failure, retries), Retry::kNever);
  });
}

TEST(Retry, NothingGoesTwiceThatIsNotHeldAnyMore) {
  for_all([](const TryFailure& failure, const upstream::Retries& retries) {
    if (!failure.body_lost) return;
    EXPECT_EQ(retry_of(failure, retries), Retry::kNever);
  });
}

TEST(Retry, NothingGoesTwiceThatHasAnAnswer) {
  for_all([](const TryFailure& failure, const upstream::Retries& retries) {
    if (!failure.response_seen) return;
    EXPECT_EQ(retry_of(failure, retries), Retry::kNever);
  });
}

TEST(Retry, OnlyFailuresOfTheUpstreamAreTriedAgain) {
  for_all([](const TryFailure& failure, const upstream::Retries& retries) {
    switch (failure.error) {
      case ProxyError::kConnectFailed:
      case ProxyError::kUpstreamReset:
      case ProxyError::kTimeout:
        return;
      default:
        EXPECT_EQ(retry_of(failure, retries), Retry::kNever) << to_string(failure.error);
    }
  });
}

TEST(Retry, WhatIsSwitchedOffIsOff) {
  for_all([](const TryFailure& failure, upstream::Retries retries) {
    if (failure.try_expired) return;  // Switched on by per_try.
    retries.on_connect_failure = retries.on_reset_before_headers = false;
    EXPECT_NE(retry_of(failure, retries), Retry::kSafe);
  });
}

// A request that has been sent has used up its time, unless that was the time of the try alone.
TEST(Retry, ATryThatRanOutMayBeFollowedByAnother) {
  for (const bool sent : {false, true}) {
    for (const bool idempotent : {false, true}) {
      TryFailure failure;
      failure.error = ProxyError::kTimeout;
      failure.try_expired = true;
      failure.request_sent = sent;
      failure.idempotent = idempotent;
      EXPECT_EQ(retry_of(failure, {}), sent && !idempotent ? Retry::kNever : Retry::kSafe);
    }
  }
}

TEST(Retry, TheWholeTableOfWhatIsAllowed) {
  struct Row {
    ProxyError error;
    bool reused;
    bool sent;
    bool idempotent;
    Retry expected;
  };
  constexpr Row kRows[] = {
      {ProxyError::kConnectFailed, false, false, false, Retry::kSafe},
      {ProxyError::kConnectFailed, false, false, true, Retry::kSafe},
      {ProxyError::kTimeout, false, false, false, Retry::kSafe},  // Of the connect.
      {ProxyError::kTimeout, false, true, true, Retry::kNever},   // Its time is used up.
      {ProxyError::kTimeout, true, true, true, Retry::kNever},
      {ProxyError::kUpstreamReset, false, false, false, Retry::kSafe},
      {ProxyError::kUpstreamReset, false, true, true, Retry::kSafe},
      {ProxyError::kUpstreamReset, false, true, false, Retry::kNever},
      {ProxyError::kUpstreamReset, true, false, false, Retry::kIfReused},
      {ProxyError::kUpstreamReset, true, true, true, Retry::kIfReused},
      {ProxyError::kUpstreamReset, true, true, false, Retry::kNever},
      {ProxyError::kUpstreamProtocol, true, true, true, Retry::kNever},
      {ProxyError::kClientGone, true, false, true, Retry::kNever},
  };
  for (const Row& row : kRows) {
    TryFailure failure;
    failure.error = row.error;
    failure.reused = row.reused;
    failure.request_sent = row.sent;
    failure.idempotent = row.idempotent;
    EXPECT_EQ(retry_of(failure, {}), row.expected)
        << to_string(row.error) << ' ' << row.reused << row.sent << row.idempotent;
  }
}

}  // namespace
}  // namespace canaryd::proxy
