#include "cli/migration_map.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

constexpr const char* kMap = R"({"from": ["monolith"],
 "routes": {"total": 3, "left": 1, "moving": 1, "moved": 0, "answered": 1},
 "requests": {"left": 300, "moved": 100, "answered": 7, "no_route": 2, "share": 0.25},
 "items": [
  {"name": "orders", "match": "path_prefix /orders", "state": "moving", "rollout": "orders",
   "from": "monolith", "to": "orders", "weight": 50, "share": 0.5, "sunset": "2027-01-01T00:00:00Z",
   "requests": {"left": 100, "moved": 100, "answered": 0}},
  {"name": "gone", "match": "path_exact /gone", "state": "answered", "rollout": null,
   "from": null, "to": null, "weight": null, "share": null, "sunset": null,
   "requests": {"left": 0, "moved": 0, "answered": 7}},
  {"name": "rest", "match": "path_prefix /", "state": "left", "rollout": null,
   "from": "monolith", "to": null, "weight": 0, "share": 0, "sunset": null,
   "requests": {"left": 200, "moved": 0, "answered": 0}}],
 "paths": [{"path": "/legacy/{id}", "routed": true, "requests": 150, "error": 0},
           {"path": "/ab\u001b[2J", "routed": false, "requests": 2, "error": 1}]})";

TEST(MigrationMap, ATableForTheTerminal) {
  const ScreenOptions options{.columns = 120, .color = false, .utf8 = true};
  EXPECT_EQ("\n" + render_migration(kMap, options).value(), R"(
ROUTE   STATE     FROM      TO      WEIGHT  REQUESTS  MOVED   SUNSET      MATCH
orders  moving    monolith  orders  50 %    200       50.0 %  2027-01-01  path_prefix /orders
gone    answered  -         -       -       7         -       -           path_exact /gone
rest    left      monolith  -       0 %     200       0.00 %  -           path_prefix /

0 of 3 routes moved, 25.0 % of the requests; 2 requests had no route

Paths that no route names:
REQUESTS  PATH          ROUTE
150       /legacy/{id}  only one for everything
<= 2      /ab�[2J       none
)");
}

// The columns that matter least go first.
TEST(MigrationMap, FitsANarrowTerminal) {
  const auto at = [](int columns) {
    return "\n" +
           render_migration(kMap, {.columns = columns, .color = false, .utf8 = true}).value();
  };
  EXPECT_EQ(at(60), R"(
ROUTE   STATE     FROM      TO      WEIGHT  REQUESTS  MOVED
orders  moving    monolith  orders  50 %    200       50.0 %
gone    answered  -         -       -       7         -
rest    left      monolith  -       0 %     200       0.00 %

0 of 3 routes moved, 25.0 % of the requests; 2 requests had…

Paths that no route names:
REQUESTS  PATH          ROUTE
150       /legacy/{id}  only one for everything
<= 2      /ab�[2J       none
)");
  EXPECT_EQ(at(30), R"(
ROUTE   STATE     WEIGHT
orders  moving    50 %
gone    answered  -
rest    left      0 %

0 of 3 routes moved, 25.0 % o…

Paths that no route names:
REQUESTS  PATH
150       /legacy/{id}
<= 2      /ab�[2J
)");
}

TEST(MigrationMap, WhatIsNone) {
  EXPECT_FALSE(render_migration("[]", {}));
  EXPECT_FALSE(render_migration("no", {}));
}

}  // namespace
}  // namespace canaryd::cli
