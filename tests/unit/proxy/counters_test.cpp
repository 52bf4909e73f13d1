#include "canaryd/proxy/counters.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace canaryd::proxy {
namespace {

TEST(ProxyErrors, EachHasAWordOfItsOwnAndAStatus) {
  std::set<std::string_view> words;
  for (unsigned i = 0; i < static_cast<unsigned>(ProxyError::kCount); ++i) {
    const auto error = static_cast<ProxyError>(i);
    EXPECT_TRUE(words.insert(to_string(error)).second);
    EXPECT_GE(status_of(error), 200);
    EXPECT_LT(status_of(error), 600);
  }
}

// The contract: INTERFACES, section 3.
TEST(ProxyErrors, AreThoseOfTheContract) {
  struct Row {
    ProxyError error;
    std::uint16_t status;
    std::string_view word;
  };
  constexpr Row kRows[] = {
      {ProxyError::kBadRequest, 400, "bad_request"},
      {ProxyError::kNoRoute, 404, "no_route"},
      {ProxyError::kRequestTimeout, 408, "request_timeout"},
      {ProxyError::kBodyTooLarge, 413, "body_too_large"},
      {ProxyError::kTargetTooLong, 414, "target_too_long"},
      {ProxyError::kExpectationFailed, 417, "expectation_failed"},
      {ProxyError::kRateLimited, 429, "rate_limited"},
      {ProxyError::kHeadersTooLarge, 431, "headers_too_large"},
      {ProxyError::kInternal, 500, "internal"},
      {ProxyError::kNotImplemented, 501, "not_implemented"},
      {ProxyError::kVersionNotSupported, 505, "version_not_supported"},
      {ProxyError::kConnectFailed, 502, "connect_failed"},
      {ProxyError::kUpstreamReset, 502, "upstream_reset"},
      {ProxyError::kUpstreamProtocol, 502, "upstream_protocol"},
      {ProxyError::kNoHealthyEndpoint, 503, "no_healthy_endpoint"},
      {ProxyError::kOverloaded, 503, "overloaded"},
      {ProxyError::kTimeout, 504, "timeout"},
      {ProxyError::kLoopDetected, 508, "loop_detected"},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(to_string(row.error), row.word);
    EXPECT_EQ(status_of(row.error), row.status) << row.word;
  }
}

TEST(ListenerCounters, CountEachByItself) {
  ListenerCounters counters;
  counters.count(ProxyError::kTimeout);
  counters.count(ProxyError::kTimeout);
  counters.count(ProxyError::kNoRoute);
  EXPECT_EQ(counters.errors[static_cast<std::size_t>(ProxyError::kTimeout)].load(), 2U);
  EXPECT_EQ(counters.errors[static_cast<std::size_t>(ProxyError::kNoRoute)].load(), 1U);
  EXPECT_EQ(counters.errors[static_cast<std::size_t>(ProxyError::kOverloaded)].load(), 0U);
}

}  // namespace
}  // namespace canaryd::proxy
