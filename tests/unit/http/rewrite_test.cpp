#include "canaryd/http/rewrite.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::http {
namespace {

using Kind = PathMapping::Kind;

Target target_of(std::string_view forwarded) {
  Target target;
  target.forwarded = forwarded;
  target.path = forwarded.substr(0, forwarded.find('?'));
  return target;
}

std::string upstream_of(const PathMapping& mapping, std::string_view forwarded) {
  const Target target = target_of(forwarded);
  std::string scratch(mapping.scratch_bytes(target), '\0');
  return std::string(mapping.to_upstream(target, scratch));
}

struct Case {
  const char* from;
  const char* to;
  const char* client;
  const char* upstream;
};

TEST(RewriteTest, PrefixesSegmentBySegment) {
  for (const Case& each :
       std::vector<Case>{{"/catalog", "/v2", "/catalog", "/v2"},
                         {"/catalog", "/v2", "/catalog/", "/v2/"},
                         {"/catalog", "/v2", "/catalog/a/b", "/v2/a/b"},
                         {"/catalog/", "/v2/", "/catalog/a", "/v2/a"},
                         {"/catalog", "/v2", "/catalog?q=/catalog", "/v2?q=/catalog"},
                         {"/catalog", "/a/b/c", "/catalog/x?", "/a/b/c/x?"},
                         {"/catalog", "/", "/catalog/x", "/x"},
                         {"/catalog", "/", "/catalog/", "/"},
                         {"/catalog", "/", "/catalog/x?y", "/x?y"},
                         {"/", "/v2", "/", "/v2/"},
                         {"/", "/v2", "/x", "/v2/x"},
                         {"/", "/v2", "/?x", "/v2/?x"},
                         {"/", "/", "/x/", "/x/"}}) {
    const PathMapping mapping(Kind::kPrefix, each.from, each.to);
    EXPECT_EQ(upstream_of(mapping, each.client), each.upstream) << each.from << ' ' << each.client;
    const std::string path(target_of(each.upstream).path);
    EXPECT_EQ(mapping.path_to_client(path), target_of(each.client).path) << path;
  }
}

TEST(RewriteTest, TemplatesVariableByVariable) {
  for (const Case& each : std::vector<Case>{
           {"/v1/orders/{id}", "/orders/{id}", "/v1/orders/7", "/orders/7"},
           {"/v1/orders/{id}", "/{id}", "/v1/orders/a%20b;c?d=/e", "/a%20b;c?d=/e"},
           {"/{tenant}/o/{id}/", "/orders/{id}/of/{tenant}", "/acme/o/7/", "/orders/7/of/acme"},
           {"/o/{id}", "/{id}/", "/o/{id}", "/{id}/"},
           {"/o/{id}", "/o/{id}", "/o/7", "/o/7"}}) {
    const PathMapping mapping(Kind::kTemplate, each.from, each.to);
    EXPECT_EQ(upstream_of(mapping, each.client), each.upstream) << each.from << ' ' << each.client;
    const std::string path(target_of(each.upstream).path);
    EXPECT_EQ(mapping.path_to_client(path), target_of(each.client).path) << path;
  }
}

TEST(RewriteTest, WhatATemplateDoesNotFitStays) {
  const PathMapping mapping(Kind::kTemplate, "/v1/orders/{id}", "/orders/{id}");
  for (const char* path :
       {"/orders", "/orders/", "/orders/7/", "/orders/7/x", "/other/7", "/", "", "orders/7"}) {
    EXPECT_EQ(mapping.path_to_client(path), std::nullopt) << path;
  }
  const UpstreamPlace place{"shop.example", "10.0.0.1:80", "/orders/7"};
  EXPECT_EQ(mapping.location_to_client("/orders/8?a=b", place), "/v1/orders/8?a=b");
  EXPECT_EQ(mapping.location_to_client("8", place), "/v1/orders/8");
  EXPECT_EQ(mapping.location_to_client("http://10.0.0.1/orders/8", place), "/v1/orders/8");
  EXPECT_EQ(mapping.location_to_client("/login", place), std::nullopt);
  EXPECT_EQ(mapping.cookie_to_client("a=b; Path=/orders/7", true, ""), "a=b; Path=/v1/orders/7");
  EXPECT_EQ(mapping.cookie_to_client("a=b; Path=/orders", true, ""), std::nullopt);
}

// The one path that does not come back as it went: below nothing there is always a slash.
TEST(RewriteTest, ABarePrefixForNothingIsTheRoot) {
  const PathMapping mapping(Kind::kPrefix, "/catalog", "/");
  EXPECT_EQ(upstream_of(mapping, "/catalog"), "/");
  EXPECT_EQ(upstream_of(mapping, "/catalog?x"), "/?x");
  EXPECT_EQ(mapping.path_to_client("/"), "/catalog/");
}

TEST(RewriteTest, ExactPathsWhole) {
  const PathMapping mapping(Kind::kExact, "/old/report", "/reports/1/");
  EXPECT_EQ(upstream_of(mapping, "/old/report"), "/reports/1/");
  EXPECT_EQ(upstream_of(mapping, "/old/report?a=b"), "/reports/1/?a=b");
  EXPECT_EQ(mapping.path_to_client("/reports/1/"), "/old/report");
  EXPECT_EQ(mapping.path_to_client("/reports/1"), std::nullopt);
}

TEST(RewriteTest, TheServerAsAWholeHasNoPath) {
  EXPECT_EQ(upstream_of(PathMapping(Kind::kPrefix, "/", "/v2"), "*"), "*");
}

TEST(RewriteTest, OnlyCanonicalPathsMayBePutIn) {
  for (const char* good : {"/", "/v2", "/v2/", "/a.b/~c", "/a%20b", "/%25"}) {
    EXPECT_TRUE(is_rewritten_path(good)) << good;
  }
  for (const char* bad : {"",
                          "v2",
                          "/a//b",
                          "/a/../b",
                          "/a/.",
                          "/a%2Fb",
                          "/a%2fb",
                          "/%7Ea",
                          "/a?b",
                          "/a#b",
                          "/a\\b",
                          "/a b",
                          "/..;x",
                          "*",
                          "http://a/b",
                          "/a%5Cb"}) {
    EXPECT_FALSE(is_rewritten_path(bad)) << bad;
  }
}

// RFC 3986 section 6.2.2: only what is compared is brought into one form.
TEST(RewriteTest, EscapesMayBeWrittenOtherwise) {
  const PathMapping prefix(Kind::kPrefix, "/catalog", "/th%C3%A9~x");
  EXPECT_EQ(prefix.path_to_client("/th%c3%a9~x"), "/catalog");
  EXPECT_EQ(prefix.path_to_client("/%74h%C3%a9%7ex/b%c3%62%"), "/catalog/b%c3%62%");
  for (const char* other : {"/th%c3%a8~x",
                            "/th%c3%a9~x%2Fb",
                            "/th%c3%a9~",
                            "/th%c3%a",
                            "/th%c3%",
                            "/th%%433%A9~x",
                            "/th%25C3%A9~x",
                            "%2fth%C3%A9~x"}) {
    EXPECT_EQ(prefix.path_to_client(other), std::nullopt) << other;
  }
  const PathMapping exact(Kind::kExact, "/old", "/th%C3%A9");
  EXPECT_EQ(exact.path_to_client("/th%c3%a9"), "/old");
  EXPECT_EQ(exact.path_to_client("/th%c3%a9/"), std::nullopt);
  const PathMapping made(Kind::kTemplate, "/o/{id}", "/th%C3%A9/{id}");
  EXPECT_EQ(made.path_to_client("/th%c3%a9/%c3"), "/o/%c3");

  const UpstreamPlace place{"shop.example", "10.0.0.1:80", "/th%C3%A9~x/"};
  EXPECT_EQ(prefix.location_to_client("/th%c3%a9~x/b", place), "/catalog/b");
  EXPECT_EQ(prefix.cookie_to_client("a=b; Path=/th%c3%a9~x", true, {}), "a=b; Path=/catalog");
}

// ---- Location

struct Reference {
  const char* location;
  std::optional<std::string> expected;
};

const UpstreamPlace kPlace{"shop.example:8080", "10.0.0.5:80", "/v2/items/7"};

void expect_locations(const PathMapping& mapping,
                      const UpstreamPlace& place,
                      const std::vector<Reference>& cases) {
  for (const Reference& each : cases) {
    EXPECT_EQ(mapping.location_to_client(each.location, place), each.expected) << each.location;
  }
}

TEST(RewriteTest, LocationsOfTheUpstreamItself) {
  expect_locations(PathMapping(Kind::kPrefix, "/catalog", "/v2"),
                   kPlace,
                   {{"/v2/x", "/catalog/x"},
                    {"/v2", "/catalog"},
                    {"/v2?a=/v2#v2", "/catalog?a=/v2#v2"},
                    {"http://shop.example:8080/v2/x", "http://shop.example:8080/catalog/x"},
                    {"HTTP://Shop.Example:8080/v2", "HTTP://Shop.Example:8080/catalog"},
                    {"//shop.example:8080/v2/x?y", "//shop.example:8080/catalog/x?y"},
                    // What the client cannot reach becomes a path of where it is.
                    {"http://10.0.0.5/v2/x", "/catalog/x"},
                    {"http://10.0.0.5:80/v2/x#f", "/catalog/x#f"},
                    {"8", "/catalog/items/8"},
                    {"./8?z", "/catalog/items/8?z"},
                    {"../", "/catalog/"},
                    {"/v2/a/../b//c", "/catalog/b/c"}});
}

TEST(RewriteTest, LocationsThatStay) {
  expect_locations(PathMapping(Kind::kPrefix, "/catalog", "/v2"),
                   kPlace,
                   {{"", std::nullopt},
                    {"?page=2", std::nullopt},
                    {"#top", std::nullopt},
                    {"/v20/x", std::nullopt},
                    {"/login", std::nullopt},
                    {"../../login", std::nullopt},
                    {"/v2/../login", std::nullopt},
                    {"http://elsewhere.example/v2/x", std::nullopt},
                    {"http://shop.example/v2/x", std::nullopt},  // Port 80 is another server.
                    {"https://10.0.0.5/v2/x", std::nullopt},
                    {"http://shop.example:8080", std::nullopt},
                    {"http://user@shop.example:8080/v2", std::nullopt},
                    {"mailto:a@b", std::nullopt},
                    {"http:/v2/x", std::nullopt},
                    {"/v2/a b", std::nullopt},
                    {"/v2/\xc3\xa4", std::nullopt}});
}

// Nothing that a browser takes for another host comes out of a path.
TEST(RewriteTest, NoOpenRedirect) {
  const PathMapping stripped(Kind::kPrefix, "/", "/v2");
  expect_locations(stripped,
                   kPlace,
                   {{"/v2//evil.example", "/evil.example"},
                    {"/v2/\\evil.example", std::nullopt},
                    {"/v2/\t/evil.example", std::nullopt},
                    {"/v2/.//evil.example", "/evil.example"}});
}

TEST(RewriteTest, RelativeReferencesBelowNothing) {
  const UpstreamPlace root{"a", "10.0.0.5:80", "/"};
  expect_locations(PathMapping(Kind::kPrefix, "/catalog", "/"),
                   root,
                   {{"x", "/catalog/x"}, {"..", "/catalog/"}, {"/", "/catalog/"}});
}

// ---- Set-Cookie

TEST(RewriteTest, CookiePaths) {
  const PathMapping mapping(Kind::kPrefix, "/catalog", "/v2");
  const auto path = [&](std::string_view cookie) {
    return mapping.cookie_to_client(cookie, true, {});
  };
  EXPECT_EQ(path("a=b; Path=/v2"), "a=b; Path=/catalog");
  EXPECT_EQ(path("a=b;PATH = /v2/x ; Secure"), "a=b;PATH =/catalog/x; Secure");
  EXPECT_EQ(path("a=b; Path=/v2; Path=/v2/x"), "a=b; Path=/catalog; Path=/catalog/x");
  for (const char* stays : {"a=b",
                            "Path=/v2",
                            "a=b; Path=/",
                            "a=b; Path",
                            "a=b; Path=v2",
                            "a=b; Path=/v20",
                            "a=b; Xpath=/v2",
                            "",
                            ";",
                            "a=b; Domain=x.example"}) {
    EXPECT_EQ(path(stays), std::nullopt) << stays;
  }
  EXPECT_EQ(mapping.cookie_to_client("a=b; Path=/v2", false, {}), std::nullopt);
  EXPECT_EQ(PathMapping(Kind::kPrefix, "/catalog", "/").cookie_to_client("a=b; Path=/", true, {}),
            "a=b; Path=/catalog");
}

TEST(RewriteTest, CookieDomains) {
  const PathMapping mapping(Kind::kPrefix, "/catalog", "/v2");
  EXPECT_EQ(mapping.cookie_to_client("a=b; domain=old.example; Path=/v2", true, "shop.example"),
            "a=b; domain=shop.example; Path=/catalog");
  EXPECT_EQ(mapping.cookie_to_client("a=b; Domain=old.example", false, "shop.example"),
            "a=b; Domain=shop.example");
  EXPECT_EQ(mapping.cookie_to_client("a=b", true, "shop.example"), std::nullopt);
  // Without a value it names no host: the cookie is for who has sent it alone.
  for (const char* none :
       {"a=b; Domain=", "a=b; Domain", "a=b; Domain= ; Secure", "a=b; Domain=."}) {
    EXPECT_EQ(mapping.cookie_to_client(none, true, "shop.example"), std::nullopt) << none;
  }
}

// RFC 6265bis section 4.1.3.2: a browser drops what has another path, or a domain.
TEST(RewriteTest, CookiesOfTheHostStay) {
  const PathMapping mapping(Kind::kPrefix, "/catalog", "/");
  for (const char* cookie : {"__Host-a=b; Path=/; Secure",
                             " __host-a=b; Secure; Path=/",
                             "__HOST-a=b; Path=/; Domain=old.example"}) {
    EXPECT_EQ(mapping.cookie_to_client(cookie, true, "shop.example"), std::nullopt) << cookie;
  }
  EXPECT_EQ(mapping.cookie_to_client("__Secure-a=b; Path=/; Secure", true, {}),
            "__Secure-a=b; Path=/catalog; Secure");
  EXPECT_EQ(mapping.cookie_to_client("__Host=b; Path=/", true, {}), "__Host=b; Path=/catalog");
}

TEST(RewriteTest, Rfc3986Section5_4) {
  for (const auto& [path, resolved] : std::vector<std::pair<const char*, const char*>>{
           {"g", "/b/c/g"},    {"./g", "/b/c/g"},    {"g/", "/b/c/g/"},     {"/g", "/g"},
           {".", "/b/c/"},     {"./", "/b/c/"},      {"..", "/b/"},         {"../", "/b/"},
           {"../g", "/b/g"},   {"../..", "/"},       {"../../g", "/g"},     {"../../../g", "/g"},
           {"/./g", "/g"},     {"/../g", "/g"},      {"g.", "/b/c/g."},     {"..g", "/b/c/..g"},
           {"./../g", "/b/g"}, {"./g/.", "/b/c/g/"}, {"g/./h", "/b/c/g/h"}, {"g/../h", "/b/c/h"}}) {
    EXPECT_EQ(resolve_path("/b/c/d", path), resolved) << path;
  }
  EXPECT_EQ(resolve_path("/b", ""), std::nullopt);
}

// Section 6.2.2.2: dots are dots however they are written, as browsers have it.
TEST(RewriteTest, EscapedDotsLeadUpwardsToo) {
  for (const char* path :
       {"/v2/cat/%2e%2e/z", "/v2/cat/.%2E/z", "/v2/%2e/z", "/v2/cat/x/%2e%2e/../z"}) {
    EXPECT_EQ(resolve_path("/b/c/d", path), "/v2/z") << path;
  }
  EXPECT_EQ(resolve_path("/", "/a/%2e%2e%2e/b"), "/a/%2e%2e%2e/b");
  EXPECT_EQ(resolve_path("/", "/a/%2/b"), "/a/%2/b");
  const PathMapping mapping(PathMapping::Kind::kPrefix, "/shop", "/v2/cat");
  EXPECT_EQ(mapping.path_to_client("/v2/cat/x"), "/shop/x");
}

}  // namespace
}  // namespace canaryd::http
