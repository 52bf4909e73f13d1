#include "canaryd/base/hash.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
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

// Of the first 0, 1, 2, ... counting bytes, by an implementation that was written apart from ours
// and reads byte by byte. Whoever changes one sends users to the other cohort.
TEST(SipHash, IsWhatItAlwaysWasForEveryLength) {
  constexpr std::array kExpected{
      0x726fdb47dd0e0e31U, 0x74f839c593dc67fdU, 0x0d6c8009d9a94f5aU, 0x85676696d7fb7e2dU,
      0xcf2794e0277187b7U, 0x18765564cd99a68dU, 0xcbc9466e58fee3ceU, 0xab0200f58b01d137U,
      0x93f5f5799a932462U, 0x9e0082df0ba9e4b0U, 0x7a5dbbc594ddb9f3U, 0xf4b32f46226bada7U,
      0x751e8fbc860ee5fbU, 0x14ea5627c0843d90U, 0xf723ca908e7af2eeU, 0xa129ca6149be45e5U,
      0x3f2acc7f57c29bdbU, 0x699ae9f52cbe4794U, 0x4bc1b3f0968dd39cU, 0xbb6dc91da77961bdU,
      0xbed65cf21aa2ee98U, 0xd0f2cbb02e3b67c7U, 0x93536795e3a33e88U, 0xa80c038ccd5ccec8U,
      0xb8ad50c6f649af94U};
  for (std::size_t size = 0; size < kExpected.size(); ++size) {
    EXPECT_EQ(siphash(kPaperKey, counting_bytes(static_cast<int>(size))), kExpected.at(size));
  }
  EXPECT_EQ(siphash(kPaperKey, "\xf8\xf9\xfa\xfb\xfc\xfd\xfe"), 0xdda9d9a0af48c073U);
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
