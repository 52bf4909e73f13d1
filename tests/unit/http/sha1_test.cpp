#include "http/sha1.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::http::test {
namespace {

std::string hex(const detail::Sha1& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xfU];
  }
  return text;
}

TEST(Sha1, Rfc3174Section7_3) {
  EXPECT_EQ(hex(detail::sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(detail::sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(hex(detail::sha1(std::string(1'000'000, 'a'))),
            "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  std::string eights;
  for (int i = 0; i < 80; ++i) eights += "01234567";
  EXPECT_EQ(hex(detail::sha1(eights)), "dea356a2cddd90c7a7ecedc5ebb563934f460452");
}

TEST(Sha1, Empty) {
  EXPECT_EQ(hex(detail::sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

// The mark and the length need a block of their own from 56 bytes on.
TEST(Sha1, TheSizesAroundABlock) {
  EXPECT_EQ(hex(detail::sha1(std::string(55, 'a'))), "c1c8bbdc22796e28c0e15163d20899b65621d65a");
  EXPECT_EQ(hex(detail::sha1(std::string(56, 'a'))), "c2db330f6083854c99d4b5bfb6e8f29f201be699");
  EXPECT_EQ(hex(detail::sha1(std::string(63, 'a'))), "03f09f5b158a7a8cdad920bddc29b81c18a551f5");
  EXPECT_EQ(hex(detail::sha1(std::string(64, 'a'))), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

}  // namespace
}  // namespace canaryd::http::test
