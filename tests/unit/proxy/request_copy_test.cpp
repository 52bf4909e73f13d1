#include "proxy/request_copy.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::proxy {
namespace {

using stats::Mirrored;

constexpr std::string_view kHead = "POST / HTTP/1.1\r\nHost: a\r\n\r\n";

class RequestCopyTest : public testing::Test {
 protected:
  static constexpr std::size_t kPoolBytes = 10'000;
  net::BufferPool pool_{{1, kPoolBytes, 0}};
};

TEST_F(RequestCopyTest, GathersHeadAndBody) {
  RequestCopy copy(pool_, 100);
  EXPECT_FALSE(copy.has_head());
  copy.set_head(kHead);
  EXPECT_EQ(pool_.on_loan(), kHead.size());
  copy.append("one ");
  copy.append("");
  copy.append("two");
  EXPECT_EQ(copy.text(), std::string(kHead) + "one two");
  EXPECT_EQ(copy.body_size(), 7U);
  EXPECT_FALSE(copy.failed().has_value());
}

TEST_F(RequestCopyTest, AnotherTryBeginsAfterTheHead) {
  RequestCopy copy(pool_, 100);
  copy.set_head(kHead);
  copy.append("first, hal");
  copy.start();
  copy.append("first, whole");
  EXPECT_EQ(copy.text(), std::string(kHead) + "first, whole");
}

TEST_F(RequestCopyTest, TakesNoMoreThanTwiceWhatHasCome) {
  RequestCopy copy(pool_, 5000);
  copy.set_head(kHead);
  for (int i = 0; i < 3000; ++i) {
    copy.append("x");
    ASSERT_LE(pool_.on_loan(), 2 * (kHead.size() + copy.body_size()));
  }
  EXPECT_EQ(copy.body_size(), 3000U);
}

TEST_F(RequestCopyTest, ALongerBodyLetsGoOfAll) {
  RequestCopy copy(pool_, 5);
  copy.set_head(kHead);
  copy.append("12345");
  EXPECT_FALSE(copy.failed().has_value());
  copy.append("6");
  EXPECT_EQ(copy.failed(), Mirrored::kTooLarge);
  EXPECT_EQ(pool_.on_loan(), 0U);
  copy.append("7");
  EXPECT_EQ(copy.failed(), Mirrored::kTooLarge);
}

TEST_F(RequestCopyTest, SoDoesAPoolThatIsExhausted) {
  RequestCopy first(pool_, kPoolBytes);
  first.set_head(kHead);
  first.append(std::string(6000, 'x'));
  RequestCopy second(pool_, kPoolBytes);
  second.set_head(kHead);
  second.append(std::string(6000, 'y'));
  EXPECT_EQ(second.failed(), Mirrored::kBusy);
  EXPECT_EQ(first.body_size(), 6000U);
  EXPECT_EQ(pool_.on_loan(), kHead.size() + 6000);
}

TEST_F(RequestCopyTest, NoBodyAtAllIsAllowed) {
  RequestCopy copy(pool_, 0);
  copy.set_head(kHead);
  EXPECT_EQ(copy.text(), kHead);
  copy.append("x");
  EXPECT_EQ(copy.failed(), Mirrored::kTooLarge);
}

}  // namespace
}  // namespace canaryd::proxy
