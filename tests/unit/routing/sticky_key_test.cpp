#include "canaryd/routing/sticky_key.hpp"

#include "unit/routing/requests.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace canaryd::routing {
namespace {

using test::fields;
using test::Lines;

const IpAddress kClient = IpAddress::v4({203, 0, 113, 7});
constexpr std::string_view kId = "0123456789abcdef0123456789abcdef";

struct Found {
  std::string text;
  KeySource source;
  bool fresh;
};

Found find(const StickySpec& spec, Lines lines, std::string_view query = "") {
  Random random(1);
  StickyScratch scratch;
  const http::FieldList list = fields(lines);
  const StickyKey key = find_sticky_key(spec, {list, query, kClient, random}, scratch);
  return {std::string(key.text), key.source, key.fresh};
}

const StickySpec kAll{{{KeySource::kHeader, "X-User-Id"},
                       {KeySource::kCookie, "session"},
                       {KeySource::kQuery, "user"},
                       {KeySource::kClientIp, ""}},
                      std::nullopt};

// Row A4.
TEST(StickyKey, FirstSourceThatTheRequestHas) {
  const Found header = find(kAll, {{"x-user-id", "h"}, {"Cookie", "session=c"}}, "user=q");
  EXPECT_EQ(header.text, "h");
  EXPECT_EQ(header.source, KeySource::kHeader);
  const Found cookie = find(kAll, {{"Cookie", "a=1; session=c; b=2"}}, "user=q");
  EXPECT_EQ(cookie.text, "c");
  EXPECT_EQ(cookie.source, KeySource::kCookie);
  const Found query = find(kAll, {{"Cookie", "other=c"}}, "x=1&user=q&y=2");
  EXPECT_EQ(query.text, "q");
  EXPECT_EQ(query.source, KeySource::kQuery);
  const Found address = find(kAll, {}, "users=q");
  EXPECT_EQ(address.text, std::string("\xcb\x00\x71\x07", 4));
  EXPECT_EQ(address.source, KeySource::kClientIp);
}

TEST(StickyKey, EmptyValuesArePassedOver) {
  EXPECT_EQ(find(kAll, {{"X-User-Id", ""}, {"Cookie", "session="}}, "user=").source,
            KeySource::kClientIp);
}

TEST(StickyKey, NoneOfTheKeys) {
  const StickySpec only_header{{{KeySource::kHeader, "X-User-Id"}}, std::nullopt};
  const Found none = find(only_header, {});
  EXPECT_EQ(none.source, KeySource::kNone);
  EXPECT_EQ(none.text, "");
}

// Who differs late only, as tokens of one issuer do, is somebody else.
TEST(StickyKey, LongKeysAreWhole) {
  const std::string value(50'000, 'k');
  EXPECT_EQ(find(kAll, {{"X-User-Id", value}}).text, value);
  const std::string cookie = "session=" + value;
  EXPECT_EQ(find(kAll, {{"Cookie", cookie}}).text, value);
}

TEST(StickyKey, AParameterIsOneKeyInEachSpelling) {
  for (const char* query : {"user=anna@b.de", "user=anna%40b.de", "%75ser=%61nna@b%2Ede"}) {
    const Found found = find(kAll, {}, query);
    EXPECT_EQ(found.text, "anna@b.de") << query;
    EXPECT_EQ(found.source, KeySource::kQuery);
  }
  EXPECT_EQ(find(kAll, {}, "user=%c3%a9+x").text, find(kAll, {}, "user=%C3%A9%20x").text);
  EXPECT_EQ(find(kAll, {}, "user=50%").text, "50%");
  // The header is as it came: nothing escapes it.
  EXPECT_EQ(find(kAll, {{"X-User-Id", "a%40b+c"}}).text, "a%40b+c");
}

TEST(StickyKey, ALongParameterIsCutInEachSpelling) {
  std::string plain = "user=";
  std::string escaped = "user=";
  for (std::size_t i = 0; i < kQueryKeyBytesMax + 10; ++i) {
    plain += 'k';
    escaped += "%6b";
  }
  EXPECT_EQ(find(kAll, {}, std::string_view(plain)).text, std::string(kQueryKeyBytesMax, 'k'));
  EXPECT_EQ(find(kAll, {}, std::string_view(escaped)).text, std::string(kQueryKeyBytesMax, 'k'));
}

TEST(StickyKey, PerRequestIsNewEachTime) {
  const StickySpec spec{{{KeySource::kPerRequest, ""}}, std::nullopt};
  Random random(1);
  const http::FieldList none;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    StickyScratch scratch;
    const StickyKey key = find_sticky_key(spec, {none, "", kClient, random}, scratch);
    EXPECT_EQ(key.source, KeySource::kPerRequest);
    EXPECT_FALSE(key.fresh);
    seen.insert(std::string(key.text));
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(StickyKey, FreshIdsAreTheDigitsOfTheDrawnBits) {
  Random random(7);
  Random same(7);
  for (int i = 0; i < 20; ++i) {
    const FreshId id = make_fresh_id(random);
    std::string expected;
    for (int half = 0; half < 2; ++half) {
      const std::uint64_t bits = same.next();
      for (unsigned at = 0; at < 64; at += 4) expected += "0123456789abcdef"[bits >> at & 0xfU];
    }
    EXPECT_EQ(id.text(), expected);
    EXPECT_TRUE(is_issued_id(id.text()));
  }
}

const StickySpec kIssuing{{{KeySource::kHeader, "X-User-Id"}, {KeySource::kCookie, "canaryd_id"}},
                          IssueCookie{.name = "canaryd_id"}};

TEST(StickyKey, IssuesACookieWhereThereIsNone) {
  const Found fresh = find(kIssuing, {});
  EXPECT_EQ(fresh.source, KeySource::kIssuedCookie);
  EXPECT_TRUE(fresh.fresh);
  EXPECT_TRUE(is_issued_id(fresh.text));
  const Found back = find(kIssuing, {{"Cookie", "canaryd_id=" + fresh.text}});
  EXPECT_FALSE(back.fresh);
  EXPECT_EQ(back.text, fresh.text);
  EXPECT_EQ(find(kIssuing, {{"X-User-Id", "u"}}).source, KeySource::kHeader);
}

TEST(StickyKey, ReplacesWhatIsNoIdOfOurs) {
  for (const std::string_view bad : {"",
                                     "x",
                                     "0123456789ABCDEF0123456789ABCDEF",
                                     "0123456789abcdef0123456789abcde",
                                     "0123456789abcdef0123456789abcdef0",
                                     "\"0123456789abcdef0123456789abcde\"",
                                     "0123456789abcdeg0123456789abcdef"}) {
    EXPECT_TRUE(find(kIssuing, {{"Cookie", "canaryd_id=" + std::string(bad)}}).fresh) << bad;
  }
  EXPECT_FALSE(find(kIssuing, {{"Cookie", "canaryd_id=" + std::string(kId)}}).fresh);
}

// An application's own, set for a part of the site, comes first, on every request.
TEST(StickyKey, FindsItsOwnIdBehindOthersOfThatName) {
  const std::string id(kId);
  const std::string other = "fedcba9876543210fedcba9876543210";
  for (const std::string& cookies :
       {"canaryd_id=x; canaryd_id=" + id,
        "canaryd_id=; a=b; canaryd_id = " + id + " ",
        "canaryd_id=x;;canaryd_id=y ; =; z; canaryd_id=" + id + "; b=c",
        "canaryd_id=" + id + "; canaryd_id=" + other,
        "canaryd_id=x; canaryd_id=" + id + "; canaryd_id=" + other}) {
    const Found found = find(kIssuing, {{"Cookie", cookies}});
    EXPECT_FALSE(found.fresh) << cookies;
    EXPECT_EQ(found.text, id) << cookies;
    EXPECT_EQ(found.source, KeySource::kIssuedCookie);
  }
  const Found lines = find(kIssuing,
                           {{"Cookie", "canaryd_id=x; canaryd_id=y"},
                            {"Cookie", "a=b"},
                            {"Cookie", "canaryd_id=" + id},
                            {"Cookie", "canaryd_id=" + other}});
  EXPECT_EQ(lines.text, id);
  EXPECT_TRUE(find(kIssuing, {{"Cookie", "canaryd_id=x; canaryd_id=y; other=" + id}}).fresh);
  EXPECT_TRUE(find(kIssuing, {{"Cookie", "canaryd_id=x; CANARYD_ID=" + id}}).fresh);
}

TEST(StickyKey, CheckFindsWhatCannotWork) {
  const auto with = [](std::vector<StickySource> sources, const char* issued = nullptr) {
    StickySpec spec{std::move(sources), std::nullopt};
    if (issued != nullptr) spec.issue_cookie = IssueCookie{.name = issued};
    return check(spec).has_value();
  };
  EXPECT_TRUE(check(kAll));
  EXPECT_TRUE(check(kIssuing));
  EXPECT_FALSE(with({}));
  EXPECT_FALSE(with({{KeySource::kNone, ""}}));
  EXPECT_FALSE(with({{KeySource::kIssuedCookie, "a"}}));
  EXPECT_FALSE(with({{KeySource::kHeader, ""}}));
  EXPECT_FALSE(with({{KeySource::kHeader, "a b"}}));
  EXPECT_FALSE(with({{KeySource::kCookie, "a;b"}}));
  EXPECT_FALSE(with({{KeySource::kQuery, ""}}));
  EXPECT_FALSE(with({{KeySource::kClientIp, "name"}}));
  // What follows a key that every request has is never reached.
  EXPECT_FALSE(with({{KeySource::kClientIp, ""}, {KeySource::kHeader, "a"}}));
  EXPECT_FALSE(with({{KeySource::kPerRequest, ""}, {KeySource::kClientIp, ""}}));
  EXPECT_FALSE(with({{KeySource::kCookie, "id"}, {KeySource::kClientIp, ""}}, "id"));
  EXPECT_TRUE(with({{KeySource::kCookie, "a"}, {KeySource::kCookie, "id"}}, "id"));
  EXPECT_FALSE(with({{KeySource::kCookie, "other"}}, "id"));
  EXPECT_FALSE(with({{KeySource::kHeader, "id"}}, "id"));
  EXPECT_FALSE(with(std::vector<StickySource>(17, {KeySource::kHeader, "a"})));
}

TEST(StickyKey, SetCookieCarriesTheSpec) {
  IssueCookie cookie{.name = "canaryd_id", .max_age = std::chrono::seconds(60)};
  FreshId id;
  kId.copy(id.digits.data(), id.digits.size());
  EXPECT_TRUE(make_set_cookie(cookie, id, true).secure);
  EXPECT_FALSE(make_set_cookie(cookie, id, false).secure);
  cookie.secure = SecureCookie::kAlways;
  EXPECT_TRUE(make_set_cookie(cookie, id, false).secure);
  cookie.secure = SecureCookie::kNever;
  const http::SetCookie set = make_set_cookie(cookie, id, true);
  EXPECT_FALSE(set.secure);
  EXPECT_EQ(set.name, "canaryd_id");
  EXPECT_EQ(set.value, kId);
  EXPECT_EQ(set.max_age.count(), 60);
}

}  // namespace
}  // namespace canaryd::routing
