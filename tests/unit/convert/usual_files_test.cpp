// Files of nginx as people have them: what of them is not the same in canaryd is told, and never
// makes a rollout that goes further by itself than it would have gone there.
#include "canaryd/base/units.hpp"
#include "canaryd/config/load.hpp"
#include "unit/convert/run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

namespace canaryd::convert {
namespace {

TEST(ConvertUsual, DoesNotStartAParkedCanary) {
  for (const char* const none : {"0%", "0.00%"}) {
    const Conversion result = run(Source::kNginx,
                                  kTwoUpstreams + "split_clients $http_x $way { " + none +
                                      " b; * a; }\n"
                                      "server { location / { proxy_pass http://$way; } }\n");
    const auto config = loaded(result);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->rollouts.at(0).plan.start, rollout::StartMode::kManual);
    EXPECT_EQ(config->rollouts.at(0).plan.steps.size(), 6U);
    EXPECT_TRUE(warns(result,
                      {3,
                       "the canary has " + std::string(none) +
                           ", so the rollout waits for `canaryctl start way`; the steps are those "
                           "of the defaults, with 50"}));
    EXPECT_EQ(warnings_with(result, "is left out"), 0U);
    EXPECT_EQ(warnings_with(result, "begins at"), 0U);
  }
}

// "FAILURES EJECTION" of the outlier detection of upstream a, whose servers are these.
std::string outliers_of(const std::string& servers, bool differ) {
  const Conversion result = run(Source::kNginx,
                                "upstream a { " + servers +
                                    " }\n"
                                    "upstream b { server 127.0.0.1:9009; }\n"
                                    "split_clients $http_x $way { 5% b; * a; }\n");
  EXPECT_EQ(warnings_with(result, "differ in max_fails"), differ ? 1U : 0U) << servers;
  const auto config = loaded(result);
  if (!config) return "no configuration";
  const auto& detection = config->upstreams.at(0).outlier_detection;
  if (!detection) return "none";
  return std::to_string(detection->consecutive_failures) + " " +
         format_duration(detection->ejection);
}

TEST(ConvertUsual, TakesTheLaxestServerOfNginx) {
  const std::string one = "server 127.0.0.1:9001";
  const std::string two = "; server 127.0.0.1:9002";
  EXPECT_EQ(outliers_of(one + two + ";", false), "none");
  EXPECT_EQ(outliers_of(one + " max_fails=3" + two + " max_fails=3;", false), "3 10s");
  EXPECT_EQ(outliers_of(one + " fail_timeout=5s" + two + " max_fails=1 fail_timeout=5;", false),
            "1 5s");
  EXPECT_EQ(outliers_of(one + " max_fails=0 fail_timeout=30s" + two + " max_fails=0;", false),
            "none");
  EXPECT_EQ(outliers_of(one + " max_fails=0" + two + ";", true), "none");
  EXPECT_EQ(outliers_of(one + " max_fails=2" + two + " max_fails=0;", true), "none");
  EXPECT_EQ(outliers_of(one + " max_fails=3" + two + " fail_timeout=1m;", true), "3 10s");
  EXPECT_EQ(outliers_of(one + " max_fails=3 fail_timeout=10s" + two + " fail_timeout=60s;", true),
            "3 10s");
  // What is left out has no say.
  EXPECT_EQ(outliers_of(one + " max_fails=2" + two + " max_fails=0 down;", false), "2 10s");
  EXPECT_EQ(outliers_of(one + " max_fails=2; server x:1 max_fails=0;", false), "2 10s");
}

TEST(ConvertUsual, LeavesOutASplitOfSomethingElse) {
  const std::string sample = "split_clients $request_id $loggable { 1% 1; * 0; }\n";
  const std::string ways = kTwoUpstreams +
                           "split_clients $http_x $way { 5% b; * a; }\n"
                           "server { location / { proxy_pass http://$way/$loggable; } }\n";
  const Conversion result = run(Source::kNginx, sample + ways);
  EXPECT_EQ(all_errors(result), "");
  EXPECT_TRUE(
      warns(result, {1, "split_clients $loggable is left out: its values are no upstreams"}));
  // An address, or part of a name: that is an upstream that would be lost.
  for (const char* const pass : {"$loggable", "http://${loggable}/", "http://$scheme-$loggable"}) {
    EXPECT_EQ(all_errors(run(Source::kNginx,
                             sample + ways + "server { location /x { if ($a) { proxy_pass " + pass +
                                 "; } } }\n")),
              "1: the value \"1\" is not the name of an upstream block in this file\n")
        << pass;
  }
  EXPECT_EQ(all_errors(run(Source::kNginx, kTwoUpstreams + "split_clients $x $- { 5% b; * a; }\n")),
            "3: split_clients needs a text and a variable\n");
}

std::string routes_of(const Conversion& result) {
  std::string out;
  const auto config = loaded(result);
  if (!config) return out;
  for (const config::Route& route : config->routes) {
    const bool by = route.rollout.has_value();
    out += route.name + " " + route.match.path + (by ? " by " : " to ") +
           (by ? config->rollouts.at(route.rollout->index()).name
               : config->upstreams.at(route.upstream->index()).name) +
           "\n";
  }
  return out;
}

TEST(ConvertUsual, KeepsOneRouteForTheSameRequests) {
  const std::string start = kTwoUpstreams + "split_clients $http_x $way { 5% b; * a; }\n";
  const auto server = [](const char* name, const std::string& locations) {
    return "server { server_name " + std::string(name) + "; " + locations + " }\n";
  };
  const std::string by_way = "location / { proxy_pass http://$way; } ";
  Conversion result = run(
      Source::kNginx,
      start +
          server("x.test",
                 by_way +
                     "location /s/ { proxy_pass http://a; } location /s { proxy_pass http://a; }") +
          server("x.test", by_way) + server("y.test", by_way));
  EXPECT_EQ(routes_of(result), "x-test / by way\nx-test-s /s/ to a\ny-test / by way\n");
  EXPECT_EQ(warnings_with(result, "location"), 0U);

  // The rollout's route is the one that counts, whichever is first.
  for (const bool first : {true, false}) {
    const std::string other = "location / { proxy_pass http://a; }";
    result = run(Source::kNginx,
                 start + server("x.test", first ? by_way : other) +
                     server("x.test", first ? other : by_way));
    EXPECT_EQ(routes_of(result), "x-test / by way\n");
    EXPECT_TRUE(
        warns(result,
              {first ? 5U : 4U,
               "location / of x.test is left out: that of line " + std::string(first ? "4" : "5") +
                   " is for the same requests, and leads elsewhere"}));
  }

  // nginx takes the longer one for nearly all.
  result = run(Source::kNginx,
               start + server("_",
                              by_way + "location /s { proxy_pass http://a; } "
                                       "location /s/ { proxy_pass http://b; } "
                                       "location = /s { proxy_pass http://a; }"));
  EXPECT_EQ(routes_of(result), "all / by way\nall-s /s/ to b\nall-s-2 /s to a\n");
  EXPECT_TRUE(warns(result,
                    {4,
                     "location /s is left out: that of line 4 is for the same requests, and leads "
                     "elsewhere"}));
}

// nginx has one of its servers for the hosts that none is called, such as those of health checks.
TEST(ConvertUsual, TheDefaultServerIsForEveryHost) {
  const std::string all = "location / { proxy_pass http://$way; } ";
  const std::string shop = "server { server_name shop.test www.test *.test; " + all + "}\n";
  Conversion result = servers_of(shop);
  EXPECT_EQ(ways_of(result), "* / way\n");
  EXPECT_EQ(warnings_with(result, "server_name"), 0U);
  EXPECT_EQ(ways_of(servers_of(shop + "server { server_name b.test; location / { proxy_pass "
                                      "http://b; } }\n")),
            "* / way\nb.test / b\n");
  EXPECT_EQ(
      ways_of(servers_of("server { server_name b.test; location / { proxy_pass http://b; } }\n"
                         "server { listen 80 default_server; server_name shop.test; " +
                         all + "}\n")),
      "b.test / b\n* / way\n");

  // What the other host has no location for would be the default's.
  result =
      servers_of(shop + "server { server_name b.test; location /b { proxy_pass http://b; } }\n");
  EXPECT_EQ(ways_of(result), "shop.test / way\nwww.test / way\nb.test /b b\n");
  EXPECT_EQ(warnings_with(result, "this server is nginx' default"), 1U);
  EXPECT_EQ(warnings_with(result, "server_name *.test is left out"), 1U);

  for (const char* const other : {"b.test", "*.b.test"}) {
    result = servers_of(shop + "server { server_name " + other + "; location / { root /b; } }\n");
    EXPECT_EQ(ways_of(result), "shop.test / way\nwww.test / way\n");
  }

  EXPECT_EQ(ways_of(servers_of("server { server_name *.test; " + all + "}\n")), "* / way\n");

  // A server for all other names is there.
  result = servers_of("server { listen 80 default; server_name _; return 444; }\n" + shop);
  EXPECT_EQ(ways_of(result), "shop.test / way\nwww.test / way\n");
  EXPECT_EQ(warnings_with(result, "nginx' default"), 0U);
  EXPECT_EQ(ways_of(servers_of("server { server_name _; return 404; }\n" + shop)),
            "* / 404 \nshop.test / way\nwww.test / way\n");
}

TEST(ConvertUsual, KeepsWhatNginxAnswersItself) {
  const auto ways = [](const std::string& locations) {
    return ways_of(
        servers_of("server { server_name x.test; location / { proxy_pass http://$way; } " +
                   locations + " }\n"));
  };
  EXPECT_EQ(ways("location /admin { deny all; }"), "* / way\n* /admin 403 \n");
  EXPECT_EQ(ways("location = /old { return 301 /new; }"), "* / way\n* /old 301 /new\n");
  EXPECT_EQ(ways("location /old/ { return https://y.test$request_uri; }"),
            "* / way\n* /old/ 302 https://y.test{path}{query}\n");
  EXPECT_EQ(ways("location /health { access_log off; return 200 ok; }"),
            "* / way\n* /health 200 \n");
  // What cannot be said, or is not for everybody, is none.
  for (const char* const other : {"return 444;",
                                  "return 301 https://$host$request_uri;",
                                  "return 301 https://$request_uri;",
                                  "return 301 /$request_uri;",
                                  "return 301 //y.test/;",
                                  "return 301 new;",
                                  "return 304;",
                                  "return 2000;",
                                  "return;",
                                  "allow 10.0.0.0/8; deny all;",
                                  "deny 10.0.0.0/8;",
                                  "if ($a) { return 200; } deny all;",
                                  "root /srv;"}) {
    EXPECT_EQ(ways("location /other { " + std::string(other) + " }"), "* / way\n") << other;
  }
  // One host for both ports: it would be sent on to itself.
  const std::string to_itself =
      "server { listen 80; server_name x.test; return 301 https://x.test$request_uri; }\n"
      "server { listen 443; server_name x.test; location /a { proxy_pass http://$way; } "
      "location = /b { return 302 /a; } }\n";
  EXPECT_EQ(ways_of(servers_of(to_itself)), "* /a way\n* /b 302 /a\n");
  const std::string of_all =
      "server { server_name _; location / { return 301 https://x.test$request_uri; } }\n"
      "server { server_name x.test; location /a { proxy_pass http://$way; } }\n";
  EXPECT_EQ(ways_of(servers_of(of_all)), "x.test /a way\n");
  const std::string to_another =
      "server { server_name x.test; location / { proxy_pass http://$way; } }\n"
      "server { server_name w.test; return 301 https://x.test$request_uri; location / { root /; } "
      "}\n";
  EXPECT_EQ(ways_of(servers_of(to_another)), "* / way\nw.test / 301 https://x.test{path}{query}\n");
}

TEST(ConvertUsual, SaysWhereRequestsGoThatNginxAnswered) {
  const Conversion result = servers_of(
      "server { server_name x.test;\n"
      "location / { proxy_pass http://$way; }\n"
      "location /a { proxy_pass http://a; }\n"
      "location /admin { allow 10.0.0.0/8; root /srv; }\n"
      "location /a/b { proxy_pass http://10.9.9.9; }\n"
      "location /in { internal; proxy_pass http://b; }\n"
      "location ~ x$ { root /srv; } }\n"
      "server { server_name y.test; location / { proxy_pass http://b; } location /y { root /y; } "
      "}\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /a a\n* /in b\ny.test / b\n");
  EXPECT_TRUE(
      warns(result, {11, "location /y is no route here: requests for it go to b, as those for /"}));
  EXPECT_TRUE(warns(result,
                    {7,
                     "location /admin is no route here: requests for it go to way, as those for "
                     "/"}));
  EXPECT_TRUE(
      warns(result, {7, "allow of location /admin is not carried over: it keeps nobody out here"}));
  EXPECT_TRUE(warns(
      result, {8, "location /a/b is no route here: requests for it go to a, as those for /a"}));
  EXPECT_TRUE(
      warns(result, {9, "internal of location /in is not carried over: it keeps nobody out here"}));
  EXPECT_TRUE(warns(result,
                    {10,
                     "location x$ is left out: routes are paths and prefixes, not patterns; where "
                     "no longer path fits, requests for it go to way, as those for /"}));
  EXPECT_EQ(warnings_with(result, "is no route here"), 3U);
}

TEST(ConvertUsual, OfTwoSharesOfEverybodyTheLargerIsStable) {
  const auto versions = [](const std::string& shares) -> std::string {
    const Conversion result = run(Source::kNginx,
                                  kTwoUpstreams + "split_clients $http_x $way { " + shares +
                                      " }\nserver { location / { proxy_pass http://$way; } }\n");
    if (!result.errors.empty()) return "refused";
    EXPECT_EQ(warnings_with(result, "there is no *"), 1U);
    const auto config = loaded(result);
    if (!config) return "no configuration";
    const rollout::Plan& plan = config->rollouts.at(0).plan;
    return plan.stable + " " + plan.canary + " " + format_percent(plan.steps.at(0).weight);
  };
  EXPECT_EQ(versions("20% b; 80% a;"), "a b 20");
  EXPECT_EQ(versions("80% a; 20% b;"), "a b 20");
  EXPECT_EQ(versions("50% b; 50% a;"), "a b 50");
  EXPECT_EQ(versions("33.33% b; 66.67% a;"), "a b 33.33");
  EXPECT_EQ(versions("20% b; 70% a;"), "refused");
  EXPECT_EQ(versions("20% b; 80% a; 0% b;"), "refused");
}

}  // namespace
}  // namespace canaryd::convert
