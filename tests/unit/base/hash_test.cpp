#include "canaryd/base/hash.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd {
namespace {

// The key and the message of the worked example in appendix A of the SipHash paper: bytes 0, 1, 2,
// ...
constexpr HashKey kPaperKey{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};

std::string counting_bytes(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>(i);
  return text;
}

TEST(SipHash, MatchesThePaper) {
  EXPECT_EQ(siphash(kPaperKey, counting_bytes(15)), 0xa129ca6149be45e5U);
  EXPECT_EQ(siphash(kPaperKey, ""), 0x726fdb47dd0e0e31U);
}

TEST(SipHash, SaltsGiveIndependentKeys) {
  const HashKey a = key_from_salt("checkout");
  const HashKey b = key_from_salt("checkouu");
  EXPECT_NE(a.first, b.first);
  EXPECT_NE(a.second, b.second);
  EXPECT_NE(siphash(a, "user"), siphash(b, "user"));
}

}  // namespace
}  // namespace canaryd
