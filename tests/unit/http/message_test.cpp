#include "canaryd/http/message.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/head_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <string>

namespace canaryd::http {
namespace {

TEST(FieldIdTest, KnowsEveryNameInAnyCase) {
  for (unsigned i = 1; i < static_cast<unsigned>(FieldId::kCount); ++i) {
    const auto id = static_cast<FieldId>(i);
    std::string name(field_name(id));
    ASSERT_FALSE(name.empty()) << i;
    EXPECT_EQ(field_id(name), id) << name;
    std::transform(name.begin(), name.end(), name.begin(), lower);
    EXPECT_EQ(field_id(name), id) << name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return static_cast<char>(std::toupper(c));
    });
    EXPECT_EQ(field_id(name), id) << name;
  }
}

TEST(FieldIdTest, KnowsNoNeighbour) {
  for (unsigned i = 1; i < static_cast<unsigned>(FieldId::kCount); ++i) {
    const std::string name(field_name(static_cast<FieldId>(i)));
    EXPECT_EQ(field_id(name + "x"), FieldId::kOther);
    EXPECT_NE(field_id(name.substr(1)), static_cast<FieldId>(i));
    for (std::size_t at = 0; at < name.size(); ++at) {
      for (int c = 0x21; c < 0x7f; ++c) {
        if (!is_token_char(static_cast<char>(c))) continue;
        if (lower(static_cast<char>(c)) == lower(name[at])) continue;
        std::string other = name;
        other[at] = static_cast<char>(c);
        ASSERT_NE(field_id(other), static_cast<FieldId>(i)) << other;
      }
    }
  }
  EXPECT_EQ(field_id(""), FieldId::kOther);
  EXPECT_EQ(field_id("X"), FieldId::kOther);
  EXPECT_EQ(field_id("Content_Length"), FieldId::kOther);
}

TEST(FieldListTest, FindsByIdAndByName) {
  FieldList fields;
  fields.add("Accept", "*/*");
  fields.add("COOKIE", "a=1");
  fields.add("cookie", "b=2");
  EXPECT_TRUE(fields.has(FieldId::kCookie));
  EXPECT_FALSE(fields.has(FieldId::kHost));
  EXPECT_EQ(fields.value(FieldId::kCookie), "a=1");
  EXPECT_EQ(fields.count(FieldId::kCookie), 2U);
  ASSERT_NE(fields.find("aCCept"), nullptr);
  EXPECT_EQ(fields.find("aCCept")->value, "*/*");
  EXPECT_EQ(fields.find("Accept-Encoding"), nullptr);
  EXPECT_EQ(fields.find("Cookie")->value, "a=1");
  fields.clear();
  EXPECT_FALSE(fields.has(FieldId::kCookie));
  EXPECT_EQ(fields.find(FieldId::kCookie), nullptr);
}

TEST(FieldListTest, ALongListHasLittleMoreRoomThanItNeeds) {
  FieldList list;
  for (int i = 0; i < 4000; ++i) {
    list.add("a", "b");
    EXPECT_LE(list.room(), i < 256 ? 512U : 1.25 * (i + 1) + 1) << i;
  }
  EXPECT_EQ(list.size(), 4000U);
  list.drop();
  EXPECT_EQ(list.size(), 0U);
  EXPECT_EQ(list.room(), 0U);
  list.add("Host", "c");
  EXPECT_EQ(list.value(FieldId::kHost), "c");
}

TEST(FieldListTest, ForgetsWhatIsRemoved) {
  FieldList list;
  for (const char* name : {"Host", "X-Forwarded-For", "Accept", "X-Forwarded-For", "X-Mine"}) {
    list.add(name, "v");
  }
  list.remove_if([](const Field& field) { return field.id == FieldId::kXForwardedFor; });
  EXPECT_EQ(list.size(), 3U);
  EXPECT_FALSE(list.has(FieldId::kXForwardedFor));
  EXPECT_EQ(list.count(FieldId::kXForwardedFor), 0U);
  EXPECT_EQ(list[2].name, "X-Mine");
  EXPECT_EQ(list.count(FieldId::kHost), 1U);
}

TEST(MethodTest, SafetyAndIdempotencyOfRfc9110Section9) {
  EXPECT_EQ(parse_method("GET"), Method::kGet);
  EXPECT_EQ(parse_method("get"), Method::kOther);
  EXPECT_EQ(parse_method("PURGE"), Method::kOther);
  EXPECT_TRUE(is_safe(Method::kGet) && is_safe(Method::kHead) && is_safe(Method::kOptions));
  EXPECT_FALSE(is_safe(Method::kPost) || is_safe(Method::kPut) || is_safe(Method::kOther));
  EXPECT_TRUE(is_idempotent(Method::kPut) && is_idempotent(Method::kDelete));
  EXPECT_FALSE(is_idempotent(Method::kPost) || is_idempotent(Method::kPatch) ||
               is_idempotent(Method::kOther));
}

TEST(RefusalTest, HasTheWordAndTheStatusOfTheContract) {
  EXPECT_EQ(to_string(Refusal::kBadRequest), "bad_request");
  EXPECT_EQ(status_of(Refusal::kBadRequest), 400);
  EXPECT_EQ(to_string(Refusal::kTargetTooLong), "target_too_long");
  EXPECT_EQ(status_of(Refusal::kTargetTooLong), 414);
  EXPECT_EQ(to_string(Refusal::kHeadersTooLarge), "headers_too_large");
  EXPECT_EQ(status_of(Refusal::kHeadersTooLarge), 431);
  EXPECT_EQ(status_of(Refusal::kExpectationFailed), 417);
  EXPECT_EQ(status_of(Refusal::kNotImplemented), 501);
  EXPECT_EQ(status_of(Refusal::kVersionNotSupported), 505);
  EXPECT_EQ(status_of(Refusal::kUpstreamProtocol), 502);
}

TEST(CharsTest, TokensAndValues) {
  EXPECT_TRUE(is_token("X-User_Id!"));
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a b"));
  EXPECT_FALSE(is_token("a:b"));
  EXPECT_FALSE(is_token("\xc3\xa4"));
  EXPECT_TRUE(is_field_value(""));
  EXPECT_TRUE(is_field_value("a\tb \xc3\xa4"));
  EXPECT_FALSE(is_field_value(" a"));
  EXPECT_FALSE(is_field_value("a\t"));
  EXPECT_FALSE(is_field_value("a\r\nSet-Cookie: x"));
  EXPECT_FALSE(is_field_value(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_field_value("\x7f"));
}

TEST(CharsTest, DecimalsNeitherSignedNorOverflowing) {
  std::uint64_t value = 7;
  EXPECT_TRUE(parse_decimal("18446744073709551615", value));
  EXPECT_EQ(value, std::numeric_limits<std::uint64_t>::max());
  value = 7;
  for (const char* wrong : {"",
                            "+1",
                            "-1",
                            " 1",
                            "1 ",
                            "0x1",
                            "1,1",
                            "18446744073709551616",
                            "99999999999999999999",
                            "100000000000000000000"}) {
    EXPECT_FALSE(parse_decimal(wrong, value)) << wrong;
  }
  EXPECT_EQ(value, 7U);
}

TEST(CharsTest, ListMembersOfRfc9110Section561) {
  std::string_view list = " ,a,, b\t,c d,";
  EXPECT_EQ(next_list_member(list), "a");
  EXPECT_EQ(next_list_member(list), "b");
  EXPECT_EQ(next_list_member(list), "c d");
  EXPECT_EQ(next_list_member(list), "");
  EXPECT_EQ(next_list_member(list), "");
}

TEST(HeadBufferTest, NeverWritesPastItsEnd) {
  std::string storage(12, '#');
  HeadBuffer out(std::span<char>(storage.data(), 8));
  out.append("abc");
  out.append_decimal(1234);
  EXPECT_EQ(out.view(), "abc1234");
  EXPECT_FALSE(out.overflowed());
  out.append("xy");
  EXPECT_TRUE(out.overflowed());
  out.append_field("name", "value");
  EXPECT_EQ(storage.substr(8), "####");
  out.clear();
  out.append_decimal(0);
  EXPECT_EQ(out.view(), "0");
  EXPECT_FALSE(out.overflowed());
}

}  // namespace
}  // namespace canaryd::http
