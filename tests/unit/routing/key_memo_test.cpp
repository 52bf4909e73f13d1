#include "canaryd/routing/key_memo.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::routing {
namespace {

const HashKey kSalt = key_from_salt("one");
const HashKey kOtherSalt = key_from_salt("other");

TEST(KeyMemoTest, SaysWhatTheHashSays) {
  KeyMemo memo;
  std::string text;
  for (std::size_t size = 0; size < 60; ++size) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(memo.hash(kSalt, text), siphash(kSalt, text)) << size;
    EXPECT_EQ(memo.hash(kOtherSalt, text), siphash(kOtherSalt, text)) << size;
    text += static_cast<char>('a' + size % 26);
  }
}

// Each byte counts, and so do size and salt.
TEST(KeyMemoTest, EveryOtherKeyIsHashed) {
  for (std::size_t size = KeyMemo::kBytesMin; size <= KeyMemo::kBytesMax; ++size) {
    const std::string text(size, 'k');
    for (std::size_t at = 0; at < size; ++at) {
      KeyMemo memo;
      static_cast<void>(memo.hash(kSalt, text));
      std::string other = text;
      other[at] = 'l';
      EXPECT_EQ(memo.hash(kSalt, other), siphash(kSalt, other)) << size << " " << at;
      EXPECT_EQ(memo.hash(kSalt, text), siphash(kSalt, text));
      EXPECT_EQ(memo.hash(kSalt, text.substr(0, at)), siphash(kSalt, text.substr(0, at)));
    }
  }
}

}  // namespace
}  // namespace canaryd::routing
