// What this room accepts, the routing table must be able to hold: else a file that validates would
// be refused when it is put in force.
#include "canaryd/routing/routing_table.hpp"
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

// The match of the only route as the table wants it, or nothing if load() refuses it.
std::optional<routing::MatchSpec> loaded(const std::string& path, const std::string& value) {
  const LoadResult result = load_text(
      "version: 1\nlisteners: [{name: l, address: 127.0.0.1:1}]\n"
      "upstreams: {u: {endpoints: [127.0.0.1:2]}}\nroutes: [{name: r, upstream: u}]\n",
      {{"VALUE", value}},
      {{path, value.starts_with("[") ? value : "${VALUE}"}});
  if (!result.config) return std::nullopt;
  const Match& match = result.config->routes.at(0).match;
  routing::MatchSpec spec;
  spec.host = match.host;
  spec.path_kind = match.path_kind == Match::Path::kExact      ? routing::PathKind::kExact
                   : match.path_kind == Match::Path::kTemplate ? routing::PathKind::kTemplate
                                                               : routing::PathKind::kPrefix;
  spec.path = match.path;
  spec.methods = match.methods;
  for (const HeaderMatch& header : match.headers)
    spec.headers.push_back({header.name, header.equals});
  return spec;
}

int check(const std::string& path, const std::string& before, const std::string& after) {
  int accepted = 0;
  for (int c = 1; c < 256; ++c) {
    const std::string value = before + static_cast<char>(c) + after;
    const auto match = loaded(path, value);
    if (!match) continue;
    ++accepted;
    routing::TableSpec table;
    table.upstreams = {"u"};
    table.routes.push_back({"r", *match, UpstreamId(0)});
    const auto built = routing::RoutingTable::build(std::move(table));
    EXPECT_TRUE(built.has_value()) << path << " " << value << ": " << built.error().context;
  }
  return accepted;
}

TEST(Routable, EveryAcceptedPath) {
  EXPECT_GT(check("routes[0].match.path_prefix", "/a", "b"), 60);
  EXPECT_GT(check("routes[0].match.path_exact", "/a/", ""), 60);
  EXPECT_GT(check("routes[0].match.path_template", "/a", "/{id}"), 60);
  EXPECT_GT(check("routes[0].match.path_template", "/{i", "d}/"), 60);
  check("routes[0].match.path_template", "/{id}", "");
  check("routes[0].match.path_exact", "/%4", "");
  check("routes[0].match.path_exact", "/%f", "");
  check("routes[0].match.path_exact", "/a%2", "b");
  check("routes[0].match.path_exact", "/.", "/");
  check("routes[0].match.path_exact", "/.", "./");
}

TEST(Routable, EveryAcceptedHost) {
  EXPECT_GE(check("routes[0].match.host", "a", "b.example"), 37);
  check("routes[0].match.host", "", "");
  check("routes[0].match.host", "a.example", "");
  check("routes[0].match.host", "1.2.3.", "");
}

TEST(Routable, EveryAcceptedMethodAndHeader) {
  EXPECT_GT(check("routes[0].match.methods", "[\"G", "T\"]"), 30);
  EXPECT_GT(check("routes[0].match.headers", "[{name: \"a", "b\"}]"), 60);
  EXPECT_GT(check("routes[0].match.headers", "[{name: a, equals: 'x", "y'}]"), 60);
}

}  // namespace
}  // namespace canaryd::config
