#include "canaryd/http/uri.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::http {
namespace {

struct Canonical {
  Refused refused;
  Target target;
  RequestHead head;
  std::string scratch;
  std::string text;
  std::string host_text;

  Canonical(std::string_view target_text,
            std::string_view host,
            Method method = Method::kGet,
            const UriRules& rules = {})
      : text(target_text), host_text(host) {
    head.target = text;
    head.host = host_text;
    head.method = method;
    scratch.assign(target_scratch_bytes(head), '#');
    refused = parse_target(head, rules, scratch, target);
  }
  Canonical(const Canonical&) = delete;
  Canonical& operator=(const Canonical&) = delete;
};

std::string canonical(std::string_view text, const UriRules& rules = {}) {
  const Canonical parsed(text, "a", Method::kGet, rules);
  if (parsed.refused) return std::string("refused: ") + parsed.refused.detail;
  return std::string(parsed.target.forwarded);
}

bool refused(std::string_view text) {
  return canonical(text).rfind("refused", 0) == 0;
}

TEST(TargetTest, CanonicalTargetsAreNotCopied) {
  for (const char* text : {"/",
                           "/a/b/c?d=%2f..//",
                           "/.well-known/x",
                           "/a/...",
                           "/a/b.c/",
                           "/a;p=1/b",
                           "/a?",
                           "/a:b@c,d!$&'()*+=~",
                           "/|{}^`\"<>"}) {
    const Canonical parsed(text, "a");
    ASSERT_FALSE(parsed.refused) << text << ": " << parsed.refused.detail;
    EXPECT_EQ(parsed.target.forwarded, text);
    EXPECT_EQ(parsed.target.forwarded.data(), parsed.text.data()) << text;
    EXPECT_EQ(parsed.scratch.find_first_not_of('#'), std::string::npos) << text;
  }
}

// Long paths are looked at in blocks: what is not canonical is seen wherever in them it stands.
TEST(TargetTest, EveryByteOfALongPathIsLookedAt) {
  const std::vector<std::pair<std::string, std::string>> pieces = {{"//", "/"},
                                                                   {"/./", "/"},
                                                                   {"/b/../", "/"},
                                                                   {"%41", "A"},
                                                                   {"%2d", "-"},
                                                                   {"/.b", "/.b"},
                                                                   {"/...", "/..."}};
  for (std::size_t before = 0; before < 40; ++before) {
    const std::string begin = "/" + std::string(before, 'a');
    for (const unsigned after : {0U, 1U, 15U, 16U, 17U, 31U}) {
      const std::string end(after, 'z');
      for (const auto& [piece, made] : pieces) {
        const std::string text = begin + "x" + piece + end;
        EXPECT_EQ(canonical(text), begin + "x" + made + end) << text;
      }
      for (const char* piece : {"\\", "#", "/%2f", "/..;/", "%", "%0d", "\x7f", "\xc3", " "}) {
        EXPECT_TRUE(refused(begin + piece + end)) << begin << piece << end;
      }
    }
  }
}

TEST(TargetTest, Rfc3986Section6_2_2NormalisesEscapes) {
  EXPECT_EQ(canonical("/%61%7e%2D%5f"), "/a~-_");
  EXPECT_EQ(canonical("/%c3%a4%3a"), "/%C3%A4%3A");
  EXPECT_EQ(canonical("/%252e%252e/"), "/%252e%252e/");
  EXPECT_EQ(canonical("/%20%25"), "/%20%25");
}

TEST(TargetTest, Rfc3986Section5_2_4RemovesDotSegments) {
  EXPECT_EQ(canonical("/a/./b"), "/a/b");
  EXPECT_EQ(canonical("/a/../b"), "/b");
  EXPECT_EQ(canonical("/a/b/.."), "/a/");
  EXPECT_EQ(canonical("/a/b/."), "/a/b/");
  EXPECT_EQ(canonical("/a/.."), "/");
  EXPECT_EQ(canonical("/."), "/");
  EXPECT_EQ(canonical("/a/%2e%2E/b"), "/b");
  EXPECT_EQ(canonical("/a/.%2e/b?x=/../"), "/b?x=/../");
  EXPECT_EQ(canonical("/a/b/c/./../../g"), "/a/g");
  EXPECT_EQ(canonical("/a/..b/.c/d../e."), "/a/..b/.c/d../e.");
}

TEST(TargetTest, RefusesToClimbAboveTheRoot) {
  for (const char* text : {"/..",
                           "/../",
                           "/../a",
                           "/a/../..",
                           "/a/../../b",
                           "/./..",
                           "//..",
                           "/%2e%2e",
                           "/a/%2e./.%2E/b"}) {
    EXPECT_TRUE(refused(text)) << text << " " << canonical(text);
  }
}

TEST(TargetTest, RefusesDotSegmentsThatOthersMightSee) {
  for (const char* text :
       {"/a/..;/b", "/a/..;x=1/b", "/a/.;/b", "/a/%2e%2e;/b", "/..;", "/a/..;"}) {
    EXPECT_TRUE(refused(text)) << text << " " << canonical(text);
  }
}

TEST(TargetTest, MergesSlashes) {
  EXPECT_EQ(canonical("//"), "/");
  EXPECT_EQ(canonical("//evil.example/a"), "/evil.example/a");
  EXPECT_EQ(canonical("/a///b//"), "/a/b/");
  EXPECT_EQ(canonical("/a//../b"), "/b");
  EXPECT_EQ(canonical("/a/..//b"), "/b");
}

TEST(TargetTest, RefusesWhatHidesStructure) {
  for (const char* text :
       {"/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb",    "/a%00b",      "/a%0d%0ab", "/a%1f",
        "/a%7f",  "/a\\b",  "/a#b",   "/a?b#c",    "/%",          "/%2",       "/%g0",
        "/%0g",   "/a%",    "/a%4",   "/\xc3\xa4", "/a?\xc3\xa4", "/a b"}) {
    EXPECT_TRUE(refused(text)) << text << " " << canonical(text);
  }
}

TEST(TargetTest, KeepsEscapedSlashesIfToldTo) {
  const UriRules rules{true};
  EXPECT_EQ(canonical("/projects/a%2fb", rules), "/projects/a%2Fb");
  EXPECT_EQ(canonical("/a%2Fb/../c", rules), "/c");
  for (const char* text : {"/a/..%2fb",
                           "/a/b%2f..",
                           "/a/%2e%2e%2fb",
                           "/a/x%2f.%2fy",
                           "/a/x%2f..;p",
                           "/a%5cb",
                           "/a%00"}) {
    EXPECT_EQ(canonical(text, rules).rfind("refused", 0), 0U) << text;
  }
}

TEST(TargetTest, QueryIsOpaque) {
  const Canonical parsed("/a/./b?x=50%&y=%2f..%00//", "a");
  ASSERT_FALSE(parsed.refused);
  EXPECT_EQ(parsed.target.path, "/a/b");
  EXPECT_EQ(parsed.target.query, "x=50%&y=%2f..%00//");
  EXPECT_EQ(parsed.target.forwarded, "/a/b?x=50%&y=%2f..%00//");
}

TEST(TargetTest, Rfc9112Section3_2_2AbsoluteForm) {
  const Canonical parsed("HTTP://Example.COM:80/a?b", "example.com");
  ASSERT_FALSE(parsed.refused) << parsed.refused.detail;
  EXPECT_EQ(parsed.target.form, TargetForm::kAbsolute);
  EXPECT_EQ(parsed.target.authority, "Example.COM:80");
  EXPECT_EQ(parsed.target.host, "example.com");
  EXPECT_EQ(parsed.target.forwarded, "/a?b");
  EXPECT_EQ(parsed.target.query, "b");
  EXPECT_EQ(Canonical("http://a", "a").target.forwarded, "/");
  EXPECT_EQ(Canonical("http://a?x=1", "a").target.forwarded, "/?x=1");
  EXPECT_EQ(Canonical("http://a//b", "a").target.forwarded, "/b");
  EXPECT_EQ(Canonical("https://a:443/b", "a").target.forwarded, "/b");
  EXPECT_FALSE(Canonical("http://a:8080/b", "a:8080").refused);
  EXPECT_FALSE(Canonical("http://a/b", "").refused);
}

TEST(TargetTest, AbsoluteFormMustAgreeWithHost) {
  EXPECT_TRUE(Canonical("http://a/", "b").refused);
  EXPECT_TRUE(Canonical("http://a:8080/", "a").refused);
  EXPECT_TRUE(Canonical("http://a:443/", "a").refused);
  EXPECT_TRUE(Canonical("https://a:80/", "a").refused);
}

TEST(TargetTest, RefusesOtherFormsAndAuthorities) {
  for (const char* text : {"a",
                           "a/b",
                           "a:80",
                           "ftp://a/",
                           "http:/a",
                           "http:a",
                           "://a/",
                           "http:///a",
                           "http://",
                           "http://u@a/",
                           "http://u:p@a/",
                           "http://a:x/",
                           "http://a#b",
                           "http://a\\b/",
                           "?a",
                           "*"}) {
    EXPECT_TRUE(Canonical(text, "a").refused) << text;
  }
}

TEST(TargetTest, Rfc9112Section3_2_4AsteriskForm) {
  const Canonical star("*", "A.b:80", Method::kOptions);
  ASSERT_FALSE(star.refused);
  EXPECT_EQ(star.target.form, TargetForm::kAsterisk);
  EXPECT_EQ(star.target.forwarded, "*");
  EXPECT_EQ(star.target.host, "a.b");
  EXPECT_EQ(Canonical("http://a", "a", Method::kOptions).target.forwarded, "*");
  EXPECT_EQ(Canonical("http://a/", "a", Method::kOptions).target.forwarded, "/");
}

TEST(TargetTest, HostForMatching) {
  const auto host = [](const char* text) { return std::string(Canonical("/", text).target.host); };
  EXPECT_EQ(host("WWW.Example.Com:8080"), "www.example.com");
  EXPECT_EQ(host("example.com."), "example.com");
  EXPECT_EQ(host("[2001:DB8::1]:443"), "[2001:db8::1]");
  EXPECT_EQ(host(""), "");
  EXPECT_EQ(Canonical("/", "A:80").target.authority, "A:80");
}

TEST(TargetTest, NeverWritesBeyondItsScratch) {
  for (const char* text : {"/a/../b?c", "//a", "http://HOST//x/./y?z", "/%41"}) {
    for (std::size_t size = 0; size < 40; ++size) {
      RequestHead head;
      head.target = text;
      head.host = "HOST";
      std::string scratch(size, '#');
      Target target;
      const Refused why = parse_target(head, {}, scratch, target);
      EXPECT_TRUE(!why || why.why == Refusal::kTargetTooLong) << text << size;
      EXPECT_TRUE(!why || size < target_scratch_bytes(head)) << text << size;
    }
  }
}

// From pieces that are likely to go wrong together: the result is a fixed point and holds nothing
// refused.
TEST(TargetTest, CanonicalFormIsAFixedPoint) {
  const std::vector<std::string> pieces = {"/",
                                           "//",
                                           ".",
                                           "..",
                                           "%2e",
                                           "%2E.",
                                           "a",
                                           "%61",
                                           ";",
                                           "%3b",
                                           "%2f",
                                           "%",
                                           "?",
                                           "b/",
                                           "%c3",
                                           "..;",
                                           "/../",
                                           "/./"};
  unsigned accepted = 0;
  for (std::uint64_t seed = 1; seed <= 20000; ++seed) {
    Random random(seed);
    std::string text = "/";
    for (std::uint64_t count = random.below(9); count > 0; --count) {
      text += pieces[random.below(pieces.size())];
    }
    const Canonical once(text, "a");
    if (once.refused) continue;
    ++accepted;
    const std::string path(once.target.path);
    ASSERT_EQ(path.front(), '/') << text;
    const std::string closed = path.back() == '/' ? path : path + "/";
    for (const char* never : {"//", "/./", "/../", "%2F", "%2E", "/.;", "/..;"}) {
      ASSERT_EQ(closed.find(never), std::string::npos) << text << " -> " << path;
    }
    const Canonical twice(once.target.forwarded, "a");
    ASSERT_FALSE(twice.refused) << text;
    ASSERT_EQ(twice.target.forwarded, once.target.forwarded) << text;
  }
  EXPECT_GT(accepted, 1000U);
}

TEST(AuthorityTest, SplitsHostAndPort) {
  Authority authority;
  ASSERT_TRUE(parse_authority("[::1]:80", authority));
  EXPECT_EQ(authority.host, "[::1]");
  EXPECT_EQ(authority.port, "80");
  ASSERT_TRUE(parse_authority("a.b", authority));
  EXPECT_EQ(authority.host, "a.b");
  EXPECT_EQ(authority.port, "");
  EXPECT_TRUE(same_authority({"A", ""}, {"a", "80"}, "80"));
  EXPECT_FALSE(same_authority({"a", ""}, {"a", "80"}, "443"));
}

TEST(AuthorityTest, TakesNoLongerNameThanThereIs) {
  Authority authority;
  const std::string longest(kHostBytesMax, 'a');
  const std::string with_port = longest + ":80";
  ASSERT_TRUE(parse_authority(with_port, authority));
  EXPECT_EQ(authority.host, longest);
  EXPECT_FALSE(parse_authority("a" + longest, authority));
  EXPECT_FALSE(parse_authority("a" + with_port, authority));
}

TEST(QueryTest, FindsAParameter) {
  EXPECT_EQ(find_query("a=1&b=2&ab=3", "b"), "2");
  EXPECT_EQ(find_query("a=1&b=2&ab=3", "ab"), "3");
  EXPECT_EQ(find_query("a=1=2&a=3", "a"), "1=2");
  EXPECT_EQ(find_query("flag&x=1", "flag"), "");
  EXPECT_NE(find_query("flag&x=1", "flag").data(), nullptr);
  EXPECT_EQ(find_query("a=1", "b").data(), nullptr);
  EXPECT_EQ(find_query("", "b").data(), nullptr);
}

TEST(QueryTest, FindsAParameterByAnEscapedName) {
  EXPECT_EQ(find_query("%61=%31", "a"), "%31") << "the value is as written";
  EXPECT_EQ(find_query("b=2&filter%5Bid%5d=1", "filter[id]"), "1");
  EXPECT_EQ(find_query("a+b=1", "a b"), "1");
  EXPECT_EQ(find_query("a%2Bb=1", "a+b"), "1");
  EXPECT_EQ(find_query("filter%5Bid%5D=1", "filter%5Bid%5D"), "1") << "a name may be as written";
  EXPECT_EQ(find_query("%6=1&%61%62=2", "a").data(), nullptr);
  EXPECT_EQ(find_query("%3d=1", "="), "1");
}

TEST(QueryTest, DecodesAValue) {
  std::array<char, 8> scratch{};
  const auto value = [&](std::string_view query) {
    return std::string(find_query(query, "a", scratch));
  };
  EXPECT_EQ(value("a=1"), "1");
  EXPECT_EQ(value("b=&a=x%40y"), "x@y");
  EXPECT_EQ(value("%61=p+q%20r"), "p q r");
  EXPECT_EQ(value("a=%c3%A9"), "\xc3\xa9");
  EXPECT_EQ(value("a=%2B%26%3D%25"), "+&=%");
  EXPECT_EQ(value("a=%2540"), "%40") << "once";
  EXPECT_EQ(value("a=%00x"), std::string("\0x", 2));
  for (const char* broken : {"%", "%4", "%zz", "1%g0", "%%", "%-1"}) {
    EXPECT_EQ(value("a=" + std::string(broken)), broken);
  }
  EXPECT_EQ(value("a=%%41"), "%A");
  EXPECT_EQ(find_query("b=1", "a", scratch).data(), nullptr);
  EXPECT_NE(find_query("a", "a", scratch).data(), nullptr);
}

TEST(QueryTest, TakesAsMuchOfAValueAsThereIsRoomForInEachSpelling) {
  std::array<char, 4> scratch{};
  EXPECT_EQ(find_query("a=wxyz", "a", scratch), "wxyz");
  EXPECT_EQ(find_query("a=vwxyz", "a", scratch), "vwxy");
  EXPECT_EQ(find_query("a=%76%77%78%79%7a", "a", scratch), "vwxy");
}

}  // namespace
}  // namespace canaryd::http
