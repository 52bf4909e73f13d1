#include "canaryd/admin/token.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

constexpr const char* kToken = "0123456789abcdef";
// printf %s 0123456789abcdef | sha256sum
constexpr const char* kHash = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";

TEST(Token, IsKnownByItsDigest) {
  const TokenDigest digest = digest_of(kToken);
  EXPECT_EQ(digest[0], 0x9f);
  EXPECT_EQ(digest[31], 0x9f);
  EXPECT_EQ(read_token(kToken).value(), digest);
  EXPECT_EQ(read_token(std::string(" \n") + kToken + "\r\n").value(), digest);
  EXPECT_EQ(read_token(std::string("sha256:") + kHash + "\n").value(), digest);
}

TEST(Token, ComparesAllOfIt) {
  const TokenDigest digest = digest_of(kToken);
  EXPECT_TRUE(same(digest, digest_of(kToken)));
  for (std::size_t i = 0; i < digest.size(); ++i) {
    TokenDigest other = digest;
    other[i] ^= 1;
    EXPECT_FALSE(same(digest, other)) << i;
  }
}

TEST(Token, RefusesWhatIsNoneWithoutRepeatingIt) {
  for (const std::string& text : {std::string(),
                                  std::string("  \n"),
                                  std::string("short"),
                                  std::string(kTokenBytesMax + 1, 'a'),
                                  std::string("secret-secret secret-secret"),
                                  std::string("secret-secret\nsecret-secret"),
                                  std::string("secret-secret-\xc3\xa4"),
                                  std::string("sha256:"),
                                  std::string("sha256:") + kHash + "0",
                                  std::string("sha256:g") + (kHash + 1)}) {
    const auto read = read_token(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().context.find("secret"), std::string::npos) << read.error().context;
    EXPECT_EQ(read.error().context.find(kHash + 1), std::string::npos);
  }
}

}  // namespace
}  // namespace canaryd::admin
