#include "canaryd/http/cookie.hpp"

#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <string>

namespace canaryd::http {
namespace {

TEST(CookieTest, Rfc6265Section5_4FindsAValue) {
  EXPECT_EQ(find_cookie("a=1; b=2; c=3", "b"), "2");
  EXPECT_EQ(find_cookie("a=1;b=2", "b"), "2");
  EXPECT_EQ(find_cookie("b=2;", "b"), "2");
  EXPECT_EQ(find_cookie("  b = 2 ; c", "b"), "2");
  EXPECT_EQ(find_cookie("b=x=y", "b"), "x=y");
  EXPECT_EQ(find_cookie("b=\"q\"", "b"), "\"q\"");
  EXPECT_EQ(find_cookie("b=1; b=2", "b"), "1");
  EXPECT_EQ(find_cookie("b=", "b"), "");
  EXPECT_NE(find_cookie("b=", "b").data(), nullptr);
}

TEST(CookieTest, DoesNotFindWhatIsNotThere) {
  for (const char* cookies :
       {"", "b", ";;;", "ab=1", "B=1", "a=b=1", "a=1; bb=2", "=b", "b;b", " "}) {
    EXPECT_EQ(find_cookie(cookies, "b").data(), nullptr) << cookies;
  }
}

TEST(CookieTest, LooksIntoEveryCookieField) {
  FieldList fields;
  fields.add("Cookie", "a=1");
  fields.add("X-Cookie", "b=wrong");
  fields.add("cookie", "b=2; a=3");
  EXPECT_EQ(find_cookie(fields, "b"), "2");
  EXPECT_EQ(find_cookie(fields, "a"), "1");
  EXPECT_EQ(find_cookie(fields, "c").data(), nullptr);
}

TEST(CookieTest, ValidNamesAndValues) {
  EXPECT_TRUE(is_cookie_name("canaryd_id"));
  EXPECT_FALSE(is_cookie_name(""));
  EXPECT_FALSE(is_cookie_name("a=b"));
  EXPECT_TRUE(is_cookie_value("aZ09-_=/+"));
  for (const char* wrong : {"a;b", "a b", "a,b", "a\"", "a\\b", "a\r\nSet-Cookie: x", "\xc3\xa4"}) {
    EXPECT_FALSE(is_cookie_value(wrong)) << wrong;
  }
}

std::string line(const SetCookie& cookie) {
  std::array<char, 256> storage{};
  HeadBuffer out(storage);
  write_set_cookie(out, cookie);
  EXPECT_FALSE(out.overflowed());
  return std::string(out.view());
}

TEST(CookieTest, Rfc6265Section4_1WritesALine) {
  SetCookie cookie;
  cookie.name = "id";
  cookie.value = "abc";
  EXPECT_EQ(line(cookie), "Set-Cookie: id=abc; Path=/; SameSite=Lax; HttpOnly\r\n");
  cookie.max_age = std::chrono::hours(24 * 30);
  cookie.secure = true;
  cookie.same_site = SameSite::kStrict;
  cookie.http_only = false;
  EXPECT_EQ(line(cookie),
            "Set-Cookie: id=abc; Path=/; Max-Age=2592000; SameSite=Strict; Secure\r\n");
  cookie.secure = false;
  cookie.same_site = SameSite::kNone;
  EXPECT_EQ(line(cookie), "Set-Cookie: id=abc; Path=/; Max-Age=2592000; SameSite=None; Secure\r\n");
}

// What is written where the upstream gives no Date.
constexpr std::string_view kToday = "Tue, 01 Dec 2026 10:00:00 GMT";

bool issued(const std::string& status, const std::string& fields) {
  return may_issue_cookie(
      test::parse_response("HTTP/1.1 " + status + " X\r\n" + fields + "\r\n")->head, kToday);
}

void expect_issued(bool expected, std::initializer_list<const char*> cases) {
  for (const char* fields : cases) {
    EXPECT_EQ(issued("200", std::string(fields) + "\r\n"), expected) << fields;
  }
}

TEST(CookieTest, IsIssuedWithFinalAnswersOnly) {
  EXPECT_TRUE(issued("200", ""));
  EXPECT_TRUE(issued("101", ""));
  EXPECT_TRUE(issued("302", "Cache-Control: private, max-age=60\r\n"));
  EXPECT_FALSE(issued("304", ""));
  EXPECT_FALSE(issued("304", "Cache-Control: private\r\n"));
  EXPECT_FALSE(issued("103", ""));
}

TEST(CookieTest, Rfc9111Section3IsNotIssuedWhereASharedCacheIsToldToKeepIt) {
  expect_issued(false,
                {"Cache-Control: public",
                 "Cache-Control: max-age=0, Public",
                 "Cache-Control: max-age=600",
                 "Cache-Control: max-age=31536000, immutable",
                 "Cache-Control: max-age=99999999999999999999999",
                 "Cache-Control: max-age=\"600\"",
                 "Cache-Control: max-age=010",
                 "Cache-Control: max-age=soon",
                 "Cache-Control: max-age",
                 "Cache-Control: max-age=600; private",
                 "Cache-Control: max-age=0, max-age=60",
                 "Cache-Control: s-maxage = 60",
                 "Cache-Control: s-maxage=0, max-age=60",
                 "Cache-Control: max-age=60, stale-while-revalidate=600",
                 "Cache-Control: max-age=0, stale-while-revalidate=600",
                 "Cache-Control: stale-if-error=600",
                 "Cache-Control: no-cache\r\nCache-Control: S-MaxAge=1",
                 "Cache-Control: must-understand, no-store, max-age=60"});
}

TEST(CookieTest, Rfc9111Section5_2IsIssuedWhereSharedCachesMustNotKeepIt) {
  expect_issued(true,
                {"Cache-Control: no-store",
                 "Cache-Control: public, no-store",
                 "Cache-Control: private, s-maxage=0",
                 "Cache-Control: max-age=600 ,\t,PRIVATE\t, immutable",
                 "Cache-Control: max-age=600\r\nX-Other: a\r\ncache-control: No-Store",
                 "Expires: Tue, 01 Dec 2037 00:00:00 GMT\r\nCache-Control: private"});
}

TEST(CookieTest, IsIssuedWhereNothingIsSaidOfALifetime) {
  expect_issued(true,
                {"X-Public: public",
                 "Last-Modified: Tue, 01 Dec 2020 00:00:00 GMT",
                 "Cache-Control: no-cache",
                 "Cache-Control: max-age=0, must-revalidate",
                 "Cache-Control: max-age=\"0\"",
                 "Cache-Control: max-age=-1, s-maxage=00",
                 "Cache-Control: x-max-age=60, publicly",
                 "Cache-Control: must-understand, no-store"});
}

TEST(CookieTest, Rfc9110Section5_6_4ReadsNoDirectivesInQuotedStrings) {
  expect_issued(true,
                {"Cache-Control: no-cache=\"a, public, b\"",
                 "Cache-Control: x=\"a\\\", public, b\"",
                 "Cache-Control: x=\"a, b\", private, max-age=60"});
  expect_issued(false,
                {"Cache-Control: x=\"a, private, b\", max-age=60",
                 "Cache-Control: x=\"a\\\\\", max-age=60",
                 "Cache-Control: private=\"set-cookie, x\", max-age=60"});
}

TEST(CookieTest, Rfc9111Section5_3IsNotIssuedUntilExpiresIsPast) {
  const std::string date = "Date: Tue, 10 Nov 2026 12:30:30 GMT\r\n";
  for (const char* expires : {"",
                              "0",
                              "-1",
                              "Thu, 01 Jan 1970 00:00:00 GMT",
                              "Sat, 31 Oct 2026 23:59:59 GMT",
                              "Tue, 10 Nov 2026 12:30:29 GMT",
                              "Tue, 10 Nov 2026 12:30:30 GMT"}) {
    EXPECT_TRUE(issued("200", date + "Expires: " + expires + "\r\n")) << expires;
  }
  for (const char* expires : {"Tue, 10 Nov 2026 12:30:31 GMT",
                              "Tue, 01 Dec 2026 00:00:00 GMT",
                              "Fri, 01 Jan 2027 00:00:00 GMT",
                              "Tuesday, 01-Dec-26 00:00:00 GMT",
                              "Tue Dec  1 00:00:00 2026",
                              "Tue, 10 Xyz 2026 12:30:30 GMT",
                              "Tue, 10 Nov 2026 12:30:xx GMT"}) {
    EXPECT_FALSE(issued("200", "EXPIRES: " + std::string(expires) + "\r\n" + date)) << expires;
  }
  // Without a Date it is compared with what is written there, as 1970 is by many frameworks.
  EXPECT_TRUE(issued("200", "Expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
  // One of two.
  EXPECT_FALSE(issued("200", "Expires: Tue, 01 Dec 2037 00:00:00 GMT\r\n"));
  EXPECT_FALSE(issued("200", "Expires: 0\r\nExpires: Tue, 01 Dec 2037 00:00:00 GMT\r\n"));
}

TEST(CookieTest, Rfc9213Section2IsNotIssuedWhereACdnIsToldToKeepIt) {
  expect_issued(false,
                {"CDN-Cache-Control: max-age=600",
                 "cdn-cache-control: max-age=600;x",
                 "Example-CDN-Cache-Control: no-cache, max-age=600",
                 "Surrogate-Control: content=\"ESI/1.0\", max-age=600+60",
                 "Surrogate-Control: no-store\r\nSurrogate-Control: max-age=600",
                 // Such a cache does not look at Cache-Control, and others do not look here.
                 "Cache-Control: no-store\r\nCDN-Cache-Control: max-age=600",
                 "CDN-Cache-Control: max-age=600\r\nCache-Control: private",
                 "CDN-Cache-Control: no-store\r\nCache-Control: max-age=600"});
  expect_issued(true,
                {"CDN-Cache-Control: max-age=600, private",
                 "CDN-Cache-Control: max-age=0",
                 "Surrogate-Control: no-store, max-age=600",
                 "Surrogate-Control: content=\"ESI/1.0\"",
                 "X-Surrogate-Control: max-age=600"});
}

}  // namespace
}  // namespace canaryd::http
