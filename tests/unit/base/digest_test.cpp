#include "canaryd/base/digest.hpp"

#include <gtest/gtest.h>

namespace canaryd::test {
namespace {

TEST(DigestTest, AnswersTheExampleOfRfc6455) {
  EXPECT_EQ(sha1_base64("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(DigestTest, TakesAnEmptyText) {
  EXPECT_EQ(sha1_base64(""), "2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
}

}  // namespace
}  // namespace canaryd::test
