#include "proxy/vote_limiter.hpp"

#include <gtest/gtest.h>

namespace canaryd::proxy {
namespace {

using namespace std::chrono_literals;

IpAddress client(unsigned number) {
  return IpAddress::v4({10,
                        static_cast<std::uint8_t>(number >> 16U),
                        static_cast<std::uint8_t>(number >> 8U),
                        static_cast<std::uint8_t>(number)});
}

IpAddress v6(std::uint8_t subnet, std::uint8_t host) {
  std::array<std::uint8_t, 16> bytes{0x20, 0x01};
  bytes[7] = subnet;
  bytes[15] = host;
  return IpAddress::v6(bytes);
}

struct VoteLimiterTest : testing::Test {
  bool admit(const IpAddress& from) { return limiter.admit(from, now, random); }

  VoteLimiter limiter;
  Random random{1};
  Monotonic now{1h};
};

TEST_F(VoteLimiterTest, OneClientHasABurstAndThenWaits) {
  for (int i = 0; i < VoteLimiter::kClientBurst; ++i) EXPECT_TRUE(admit(client(1))) << i;
  EXPECT_FALSE(admit(client(1)));
  now += VoteLimiter::kClientInterval;
  EXPECT_TRUE(admit(client(1)));
  EXPECT_FALSE(admit(client(1)));
  EXPECT_TRUE(admit(client(2)));
}

TEST_F(VoteLimiterTest, OneSubnetOfIpv6IsOneClient) {
  for (std::uint8_t i = 0; i < VoteLimiter::kClientBurst; ++i) EXPECT_TRUE(admit(v6(1, i)));
  EXPECT_FALSE(admit(v6(1, 200)));
  EXPECT_TRUE(admit(v6(2, 200)));
}

TEST_F(VoteLimiterTest, AllTogetherAreLimitedToo) {
  unsigned number = 0;
  int admitted = 0;
  for (int i = 0; i < 1000; ++i) admitted += admit(client(++number)) ? 1 : 0;
  EXPECT_EQ(admitted, VoteLimiter::kTotalBurst);
  now += 10 * VoteLimiter::kTotalInterval;
  for (int i = 0; i < 1000; ++i) admitted += admit(client(++number)) ? 1 : 0;
  EXPECT_EQ(admitted, VoteLimiter::kTotalBurst + 10);
}

}  // namespace
}  // namespace canaryd::proxy
