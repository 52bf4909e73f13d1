#include "canaryd/routing/routing_table.hpp"

#include "unit/routing/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace canaryd::routing {
namespace {

using test::fields;
using test::Lines;
using test::make_rollout;

RouteSpec route(std::string name, MatchSpec match) {
  return {std::move(name), std::move(match), UpstreamId(0)};
}

TableSpec table_of(std::vector<RouteSpec> routes) {
  TableSpec spec;
  spec.epoch = 1;
  spec.upstreams = {"shop-v1", "shop-v2"};
  spec.routes = std::move(routes);
  return spec;
}

std::shared_ptr<const RoutingTable> build(TableSpec spec) {
  auto table = RoutingTable::build(std::move(spec));
  EXPECT_TRUE(table) << describe(table.error());
  return table ? *table : nullptr;
}

// The name of the route that the request gets, "-" if none.
std::string match(const RoutingTable& table,
                  std::string_view path,
                  std::string_view host = "example.com",
                  std::string_view method = "GET",
                  Lines lines = {}) {
  http::RequestHead head;
  head.method_text = method;
  head.fields = fields(lines);
  http::Target target;
  target.path = path;
  target.host = host;
  const RouteMatch* found = table.match(head, target);
  return found == nullptr ? "-" : std::string(found->name);
}

TEST(RoutingTable, KnowsWhichFieldsItReads) {
  TableSpec spec = table_of({
      route("a", {.headers = {{"X-Tenant", std::nullopt}, {"X-Beta", "yes"}}}),
      route("b", {.path = "/b", .headers = {{"X-Tenant", "t"}}}),
  });
  spec.rollouts.push_back(make_rollout(500));
  spec.rollouts.front().sticky.sources = {{KeySource::kHeader, "X-User-Id"},
                                          {KeySource::kCookie, "id"}};
  EXPECT_EQ(build(std::move(spec))->fields_read(),
            (std::vector<std::string>{"X-Beta", "X-Canary", "X-Tenant", "X-User-Id"}));
}

// ---- Paths ----

TEST(RoutingTable, ExactBeforePrefixAndLongestPrefixFirst) {
  const auto table = build(table_of({
      route("root", {.path = "/"}),
      route("api", {.path = "/api"}),
      route("v1", {.path = "/api/v1/"}),
      route("users", {.path = "/api/v1/users"}),
      route("exact", {.path_kind = PathKind::kExact, .path = "/api/v1"}),
  }));
  EXPECT_EQ(match(*table, "/"), "root");
  EXPECT_EQ(match(*table, "/other"), "root");
  EXPECT_EQ(match(*table, "/api"), "api");
  EXPECT_EQ(match(*table, "/api/"), "api");
  EXPECT_EQ(match(*table, "/api/x"), "api");
  EXPECT_EQ(match(*table, "/apix"), "root");
  EXPECT_EQ(match(*table, "/api/v1"), "exact");
  EXPECT_EQ(match(*table, "/api/v1/"), "v1");
  EXPECT_EQ(match(*table, "/api/v1/x"), "v1");
  EXPECT_EQ(match(*table, "/api/v10"), "api");
  EXPECT_EQ(match(*table, "/api/v1/users"), "users");
  EXPECT_EQ(match(*table, "/api/v1/users/7"), "users");
  EXPECT_EQ(match(*table, "/api/v1/usersx"), "v1");
  EXPECT_EQ(match(*table, "/API"), "root");
}

// The table of the Gateway API: a slash at the end of a prefix changes nothing.
TEST(RoutingTable, PrefixesAreComparedBySegment) {
  for (const std::string prefix : {"/abc", "/abc/"}) {
    const auto table = build(table_of({route("abc", {.path = prefix})}));
    EXPECT_EQ(match(*table, "/abc"), "abc") << prefix;
    EXPECT_EQ(match(*table, "/abc/"), "abc") << prefix;
    EXPECT_EQ(match(*table, "/abc/def"), "abc") << prefix;
    EXPECT_EQ(match(*table, "/abcd"), "-") << prefix;
    EXPECT_EQ(match(*table, "/ab"), "-") << prefix;
    EXPECT_EQ(match(*table, "/"), "-") << prefix;
  }
}

TEST(RoutingTable, ExactMeansExact) {
  const auto table =
      build(table_of({route("e", {.path_kind = PathKind::kExact, .path = "/reports"})}));
  EXPECT_EQ(match(*table, "/reports"), "e");
  EXPECT_EQ(match(*table, "/reports/"), "-");
  EXPECT_EQ(match(*table, "/reports/x"), "-");
}

TEST(RoutingTable, TheRootTakesTheAsteriskOfOptions) {
  const auto table = build(table_of({route("root", {}), route("api", {.path = "/api"})}));
  EXPECT_EQ(match(*table, "*", "example.com", "OPTIONS"), "root");
}

TEST(RoutingTable, WithoutRoutesNothingMatches) {
  const auto table = build(table_of({}));
  EXPECT_EQ(match(*table, "/"), "-");
}

// ---- Hosts ----

TEST(RoutingTable, HostBeforeNoHost) {
  const auto table = build(table_of({
      route("any", {.path_kind = PathKind::kExact, .path = "/v1/orders"}),
      route("api", {.host = "api.example.com", .path = "/"}),
      route("api-v1", {.host = "api.example.com", .path = "/v1"}),
      route("other", {.host = "other.example.com", .path = "/only"}),
      route("rest", {.path = "/"}),
  }));
  // A host decides before the path does, even against an exact path.
  EXPECT_EQ(match(*table, "/v1/orders", "api.example.com"), "api-v1");
  EXPECT_EQ(match(*table, "/v2", "api.example.com"), "api");
  EXPECT_EQ(match(*table, "/v1/orders", "example.com"), "any");
  EXPECT_EQ(match(*table, "/only", "other.example.com"), "other");
  // Where the host's own routes do not fit, those without a host are tried.
  EXPECT_EQ(match(*table, "/v1/orders", "other.example.com"), "any");
  EXPECT_EQ(match(*table, "/x", "other.example.com"), "rest");
  EXPECT_EQ(match(*table, "/x", ""), "rest");
}

// ---- Methods and headers ----

TEST(RoutingTable, MethodBeforeNoMethodAndCaseCounts) {
  const auto table = build(table_of({
      route("any", {.path = "/"}),
      route("read", {.path = "/", .methods = {"GET", "HEAD"}}),
  }));
  EXPECT_EQ(match(*table, "/", "h", "GET"), "read");
  EXPECT_EQ(match(*table, "/", "h", "HEAD"), "read");
  EXPECT_EQ(match(*table, "/", "h", "POST"), "any");
  EXPECT_EQ(match(*table, "/", "h", "get"), "any");
}

TEST(RoutingTable, MoreHeadersFirst) {
  const HeaderCondition beta{"X-Beta", std::nullopt};
  const HeaderCondition tenant{"X-Tenant", "acme"};
  const auto table = build(table_of({
      route("none", {.path = "/"}),
      route("one", {.path = "/", .headers = {beta}}),
      route("two", {.path = "/", .headers = {beta, tenant}}),
      route("method", {.path = "/", .methods = {"PUT"}}),
  }));
  EXPECT_EQ(match(*table, "/", "h", "GET"), "none");
  EXPECT_EQ(match(*table, "/", "h", "GET", {{"x-beta", ""}}), "one");
  EXPECT_EQ(match(*table, "/", "h", "GET", {{"X-Beta", "1"}, {"X-Tenant", "other"}}), "one");
  EXPECT_EQ(match(*table, "/", "h", "GET", {{"X-Beta", "1"}, {"x-tenant", "acme"}}), "two");
  EXPECT_EQ(match(*table, "/", "h", "GET", {{"X-Tenant", "acme"}}), "none");
  // One of several lines of that name is enough.
  EXPECT_EQ(
      match(*table, "/", "h", "GET", {{"X-Beta", "1"}, {"X-Tenant", "x"}, {"X-Tenant", "acme"}}),
      "two");
  EXPECT_EQ(match(*table, "/", "h", "PUT", {{"X-Beta", "1"}, {"X-Tenant", "acme"}}), "method");
}

TEST(RoutingTable, ARouteThatDoesNotFitIsPassedOver) {
  const auto table = build(table_of({
      route("exact-put", {.path_kind = PathKind::kExact, .path = "/a/b", .methods = {"PUT"}}),
      route("long-get", {.path = "/a/b", .headers = {{"X-Beta", std::nullopt}}}),
      route("short", {.path = "/a"}),
  }));
  EXPECT_EQ(match(*table, "/a/b", "h", "PUT"), "exact-put");
  EXPECT_EQ(match(*table, "/a/b", "h", "GET"), "short");
  EXPECT_EQ(match(*table, "/a/b", "h", "GET", {{"X-Beta", "1"}}), "long-get");
}

TEST(RoutingTable, TiesGoByTheOrderOfTheSpec) {
  const auto table = build(table_of({
      route("b", {.path = "/", .headers = {{"B", std::nullopt}}}),
      route("a", {.path = "/", .headers = {{"A", std::nullopt}}}),
  }));
  EXPECT_EQ(match(*table, "/", "h", "GET", {{"A", "1"}, {"B", "1"}}), "b");
}

std::string error_of(TableSpec spec) {
  const auto table = RoutingTable::build(std::move(spec));
  return table ? "" : table.error().context;
}

std::string route_error(MatchSpec match) {
  return error_of(table_of({route("r", std::move(match))}));
}

RouteSpec by_template(std::string path, std::vector<std::string> methods = {}) {
  return route(path,
               {.path_kind = PathKind::kTemplate, .path = path, .methods = std::move(methods)});
}

// Row F1, with templates: the longest match, whatever the order.
TEST(RoutingTable, ExactBeforeTemplateBeforePrefix) {
  const auto table = build(table_of({
      route("root", {.path = "/"}),
      route("orders", {.path = "/v1/orders"}),
      route("deep", {.path = "/v1/orders/7/lines/9/notes"}),
      route("seven", {.path_kind = PathKind::kExact, .path = "/v1/orders/7"}),
      by_template("/v1/orders/{id}"),
      by_template("/v1/{kind}/{id}"),
      by_template("/{version}/orders/{id}"),
      by_template("/v1/orders/{id}/"),
      by_template("/v1/orders/{id}/lines/{line}"),
      by_template("/v1/orders/{id}/lines/{line}/{note}"),
      by_template("/v1/{kind}/{id}/lines/9"),
      by_template("/{only}"),
  }));
  struct Row {
    const char* path;
    const char* route;
  };
  for (const auto& [path, name] :
       {Row{"/v1/orders/7", "seven"},
        Row{"/v1/orders/8", "/v1/orders/{id}"},
        Row{"/v1/orders/a%20b;c", "/v1/orders/{id}"},
        Row{"/v1/orders/a%2Fb", "/v1/orders/{id}"},
        Row{"/v1/orders/{id}", "/v1/orders/{id}"},
        Row{"/v1/orders", "orders"},
        Row{"/v1/orders/", "orders"},
        Row{"/v1/orders/8/", "/v1/orders/{id}/"},
        Row{"/v1/orders/8/x", "orders"},
        Row{"/v1/items/8", "/v1/{kind}/{id}"},
        Row{"/v1/items/", "root"},
        Row{"/v2/orders/8", "/{version}/orders/{id}"},
        Row{"/v2/items/8", "root"},
        Row{"/v1/orders/8/lines/2", "/v1/orders/{id}/lines/{line}"},
        Row{"/v1/orders/8/lines/9", "/v1/orders/{id}/lines/{line}"},
        Row{"/v1/items/8/lines/9", "/v1/{kind}/{id}/lines/9"},
        Row{"/v1/items/8/lines/2", "root"},
        // Templates come before prefixes, however long.
        Row{"/v1/orders/7/lines/9/notes", "/v1/orders/{id}/lines/{line}/{note}"},
        Row{"/v1/orders/7/lines/9/notes/x", "deep"},
        Row{"/a", "/{only}"},
        Row{"/", "root"},
        Row{"*", "root"}}) {
    EXPECT_EQ(match(*table, path), name) << path;
  }
}

TEST(RoutingTable, ATemplateWhoseMethodDoesNotFitIsPassedOver) {
  const auto table = build(table_of({
      route("prefix", {.path = "/orders"}),
      by_template("/orders/{id}", {"GET"}),
      by_template("/{kind}/{id}", {"GET", "PUT"}),
      route("host", {.host = "h.example", .path_kind = PathKind::kTemplate, .path = "/{a}/{b}"}),
  }));
  EXPECT_EQ(match(*table, "/orders/7", "h", "GET"), "/orders/{id}");
  EXPECT_EQ(match(*table, "/orders/7", "h", "PUT"), "/{kind}/{id}");
  EXPECT_EQ(match(*table, "/orders/7", "h", "POST"), "prefix");
  EXPECT_EQ(match(*table, "/orders/7", "h.example", "GET"), "host");
}

// One lookup for all of a shape.
TEST(RoutingTable, FindsOneOfManyTemplates) {
  std::vector<RouteSpec> routes;
  for (int i = 0; i < 5000; ++i) {
    routes.push_back(by_template("/v" + std::to_string(i) + "/{a}/x/{b}"));
  }
  const auto table = build(table_of(std::move(routes)));
  EXPECT_EQ(match(*table, "/v4711/1/x/2"), "/v4711/{a}/x/{b}");
  EXPECT_EQ(match(*table, "/v4711//x/2"), "-");
  EXPECT_EQ(match(*table, "/v4711/1/y/2"), "-");
}

TEST(RoutingTable, RefusesTemplatesThatAreNone) {
  EXPECT_NE(route_error({.path_kind = PathKind::kTemplate, .path = "/a"}), "");
  EXPECT_NE(route_error({.path_kind = PathKind::kTemplate, .path = "/a/../{b}"}), "");
  EXPECT_EQ(error_of(table_of({by_template("/{a}/b"), by_template("/{c}/b")})),
            "route \"/{c}/b\": matches the same requests as \"/{a}/b\"");
  EXPECT_EQ(error_of(table_of({by_template("/{a}/b"), route("x", {.path = "/{a}/b"})})), "");
}

TEST(RoutingTable, TheOrderOfTheSpecIsNoRule) {
  std::vector<RouteSpec> routes{
      route("exact", {.path_kind = PathKind::kExact, .path = "/a/b"}),
      route("long", {.path = "/a/b"}),
      route("short", {.path = "/a", .methods = {"GET"}}),
      route("root", {.path = "/", .methods = {"GET"}, .headers = {{"A", std::nullopt}}}),
      route("host", {.host = "h.example", .path = "/"}),
  };
  std::sort(
      routes.begin(), routes.end(), [](const auto& x, const auto& y) { return x.name < y.name; });
  do {
    const auto table = build(table_of(routes));
    ASSERT_EQ(match(*table, "/a/b", "h", "GET", {{"A", ""}}), "exact");
    ASSERT_EQ(match(*table, "/a/b/c", "h", "GET", {{"A", ""}}), "long");
    ASSERT_EQ(match(*table, "/a/x", "h", "GET", {{"A", ""}}), "short");
    ASSERT_EQ(match(*table, "/x", "h", "GET", {{"A", ""}}), "root");
    ASSERT_EQ(match(*table, "/a/b", "h.example", "GET", {{"A", ""}}), "host");
  } while (std::next_permutation(
      routes.begin(), routes.end(), [](const auto& x, const auto& y) { return x.name < y.name; }));
}

// The cost depends on the configuration, not on how many segments a client can think of.
TEST(RoutingTable, EndlessPathsAreCheap) {
  const auto table = build(table_of({route("root", {}), route("a", {.path = "/a"})}));
  std::string path;
  for (int i = 0; i < 1'000'000; ++i) path += "/a";
  EXPECT_EQ(match(*table, path), "a");
}

// ---- Targets ----

// Row F1: each route with its own rollout, at its own step.
TEST(RoutingTable, RoutesLeadToTheirRollouts) {
  TableSpec spec = table_of({});
  spec.upstreams.push_back("orders");
  Rollout orders = make_rollout(2500);
  orders.name = "orders";
  orders.salt.clear();
  orders.canary = UpstreamId(2);
  spec.rollouts = {make_rollout(100), orders};
  spec.routes = {{"shop", {.path = "/shop"}, RolloutId(0)},
                 {"orders", {.path = "/orders"}, RolloutId(1)},
                 {"rest", {}, UpstreamId(1)}};
  const auto table = build(std::move(spec));
  ASSERT_EQ(table->routes().size(), 3U);
  const RouteMatch& shop = table->routes()[0];
  ASSERT_NE(shop.rollout, nullptr);
  EXPECT_EQ(shop.rollout->weight, BasisPoints(100));
  EXPECT_EQ(shop.upstream, UpstreamId(0));
  const RouteMatch& second = table->routes()[1];
  EXPECT_EQ(second.rollout->id, RolloutId(1));
  EXPECT_EQ(second.rollout->weight, BasisPoints(2500));
  EXPECT_EQ(second.rollout->salt, "orders");
  EXPECT_EQ(second.rollout->hash_key.first, key_from_salt("orders").first);
  const RouteMatch& rest = table->routes()[2];
  EXPECT_EQ(rest.rollout, nullptr);
  EXPECT_EQ(rest.upstream, UpstreamId(1));
  EXPECT_EQ(rest.id, RouteId(2));
  EXPECT_EQ(table->epoch(), 1U);
}

// ---- Invariants ----

TEST(RoutingTable, RefusesReferencesToNothing) {
  EXPECT_NE(error_of(table_of({{"r", {}, UpstreamId(2)}})), "");
  EXPECT_NE(error_of(table_of({{"r", {}, RolloutId(0)}})), "");
}

TEST(RoutingTable, RefusesNamesThatAreMissingOrDouble) {
  EXPECT_EQ(error_of(table_of({route("r", {}), route("r", {.path = "/x"})})),
            "route \"r\": exists twice");
  EXPECT_NE(error_of(table_of({route("", {})})), "");
  TableSpec spec = table_of({});
  spec.upstreams = {"a", "a"};
  EXPECT_NE(error_of(std::move(spec)), "");
}

TEST(RoutingTable, RefusesWhatNoRequestCanMatch) {
  for (const std::string path : {"",
                                 "api",
                                 "/a//b",
                                 "/a/../b",
                                 "/./a",
                                 "/a?b",
                                 "/a#b",
                                 "/%41",
                                 "/%2e",
                                 "/a\\b",
                                 "/a b",
                                 "/\x80"}) {
    EXPECT_NE(route_error({.path = path}), "") << path;
  }
  for (const std::string host : {"Example.com", "example.com:80", "example.com.", "a b", "a/b"}) {
    EXPECT_NE(route_error({.host = host}), "") << host;
  }
  EXPECT_EQ(route_error({.host = "[::1]", .path = "/a%20b/~c"}), "");
  EXPECT_NE(route_error({.methods = {"G T"}}), "");
  EXPECT_NE(route_error({.methods = {""}}), "");
  EXPECT_NE(route_error({.headers = {{"a:", std::nullopt}}}), "");
  EXPECT_NE(route_error({.headers = {{"a", " x"}}}), "");
}

TEST(RoutingTable, RefusesTwoRoutesForTheSameRequests) {
  EXPECT_EQ(error_of(table_of({route("a", {.path = "/x"}), route("b", {.path = "/x/"})})),
            "route \"b\": matches the same requests as \"a\"");
  EXPECT_NE(error_of(table_of({
                route("a", {.methods = {"GET", "PUT"}, .headers = {{"X-A", "1"}, {"X-B", "2"}}}),
                route("b", {.methods = {"PUT", "GET"}, .headers = {{"x-b", "2"}, {"x-a", "1"}}}),
            })),
            "");
  EXPECT_EQ(error_of(table_of({
                route("a", {.headers = {{"X-A", "1"}}}),
                route("b", {.headers = {{"X-A", "2"}}}),
                route("c", {.headers = {{"X-A", std::nullopt}}}),
                route("d", {.path_kind = PathKind::kExact}),
                route("e", {.host = "h"}),
            })),
            "");
}

TEST(RoutingTable, RefusesUnsoundRollouts) {
  const auto broken = [](const std::function<void(RolloutSpec&)>& breaks) {
    TableSpec spec = table_of({});
    spec.rollouts = {make_rollout(100)};
    breaks(spec.rollouts[0]);
    return error_of(std::move(spec));
  };
  EXPECT_EQ(broken([](auto&) {}), "");
  EXPECT_NE(broken([](auto& rollout) { rollout.gate = nullptr; }), "");
  EXPECT_NE(broken([](auto& rollout) { rollout.canary = rollout.stable; }), "");
  EXPECT_NE(broken([](auto& rollout) { rollout.stable = UpstreamId(9); }), "");
  EXPECT_NE(broken([](auto& rollout) { rollout.canary = UpstreamId(9); }), "");
  EXPECT_NE(broken([](auto& rollout) { rollout.name = ""; }), "");
  EXPECT_NE(broken([](auto& rollout) { rollout.force.header = "X Canary"; }), "");
  EXPECT_NE(broken([](auto& rollout) { rollout.force.cookie = "a;b"; }), "");
  EXPECT_EQ(broken([](auto& rollout) { rollout.sticky.sources.clear(); }),
            "rollout \"checkout\": no key is listed");
}

}  // namespace
}  // namespace canaryd::routing
