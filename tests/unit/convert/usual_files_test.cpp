// Files as people have them: what of them is not the same in canaryd is told, and never makes a
// rollout that goes further by itself than it would have gone there.
#include "canaryd/base/units.hpp"
#include "canaryd/config/load.hpp"
#include "unit/convert/run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace canaryd::convert {
namespace {

// The configuration of the result.
std::optional<config::Config> loaded(const Conversion& result) {
  EXPECT_EQ(all_errors(result), "");
  config::LoadInput input;
  input.text = result.yaml;
  config::LoadResult read_back = config::load(input);
  EXPECT_TRUE(read_back.config.has_value()) << result.yaml;
  return std::move(read_back.config);
}

bool warns(const Conversion& result, const Note& note) {
  return std::find(result.warnings.begin(), result.warnings.end(), note) != result.warnings.end();
}

std::size_t warnings_with(const Conversion& result, std::string_view part) {
  return static_cast<std::size_t>(
      std::count_if(result.warnings.begin(), result.warnings.end(), [&](const Note& note) {
        return note.message.find(part) != std::string::npos;
      }));
}

const std::string kTwoUpstreams =
    "upstream a { server 127.0.0.1:9001; }\nupstream b { server 127.0.0.1:9002; }\n";

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

// Each route as "HOST PATH TARGET", of a file whose rollout is called way.
std::string ways_of(const Conversion& result) {
  std::string out;
  const auto config = loaded(result);
  if (!config) return out;
  for (const config::Route& route : config->routes) {
    out += (route.match.host.empty() ? "*" : route.match.host) + " " + route.match.path + " ";
    if (route.respond) {
      out += std::to_string(route.respond->status) + " " + route.respond->location;
    } else {
      out += route.rollout ? "way" : config->upstreams.at(route.upstream->index()).name;
    }
    out += "\n";
  }
  return out;
}

Conversion servers_of(const std::string& servers) {
  return run(Source::kNginx,
             kTwoUpstreams + "split_clients $http_x $way { 5% b; * a; }\n" + servers);
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

std::string flagger(const std::string& analysis) {
  return "kind: Canary\nmetadata: {name: shop}\nspec:\n  analysis:\n" + analysis;
}

// What Flagger asks for before it promotes is never promoted unasked.
TEST(ConvertUsual, KeepsTheGateBeforePromotion) {
  const std::string gate =
      "    webhooks:\n    - {name: gate, type: confirm-promotion, url: \"https://x.test/\"}\n";
  const auto steps_of = [&](const std::string& weights) {
    const auto config = loaded(run(Source::kFlagger, flagger(weights + gate)));
    std::string out;
    if (!config) return out;
    const rollout::Plan& plan = config->rollouts.at(0).plan;
    if (plan.start == rollout::StartMode::kManual) out += "manual ";
    for (const rollout::Step& step : plan.steps) {
      out += format_percent(step.weight) + (step.gate.empty() ? " " : "! ");
    }
    return out;
  };
  EXPECT_EQ(steps_of("    iterations: 10\n"), "1 5 10 25! 100 ");
  EXPECT_EQ(steps_of(""), "1 5 10 25! 100 ");
  EXPECT_EQ(steps_of("    stepWeights: [20, 60]\n"), "20 60! 100 ");
  EXPECT_EQ(steps_of("    stepWeights: [20, 60, 100]\n"), "20 60! 100 ");
  EXPECT_EQ(steps_of("    stepWeight: 100\n"), "manual 100 ");
  EXPECT_TRUE(warns(run(Source::kFlagger, flagger("    stepWeight: 100\n" + gate)),
                    {7,
                     "the webhook \"gate\" (confirm-promotion) has no step below 100 % to wait at: "
                     "the rollout waits for `canaryctl start shop`, and nobody asks the address"}));
}

std::string queries_of(const Conversion& result) {
  std::string out;
  const auto config = loaded(result);
  if (!config) return out;
  for (const auto& query : config->rollouts.at(0).queries) out += query.name + " ";
  return out;
}

TEST(ConvertUsual, GivesQueriesNamesOfTheirOwn) {
  const Conversion result = run(Source::kFlagger,
                                flagger("    webhooks:\n"
                                        "    - {name: load, url: \"http://x.test/\"}\n"
                                        "    - {name: load, url: \"http://x.test/\"}\n"
                                        "    - {name: Load, url: \"http://x.test/2\"}\n"));
  EXPECT_EQ(queries_of(result), "load load-2 ");
  EXPECT_TRUE(warns(result, {8, "the name \"load\" is taken: this one is \"load-2\" here"}));
  const std::string metric = "    - {name: lat, templateRef: {name: t}, thresholdRange: {max: ";
  EXPECT_EQ(queries_of(run(Source::kFlagger,
                           flagger("    metrics:\n" + metric + "5}}\n" + metric + "6}}\n" +
                                   "---\nkind: MetricTemplate\nmetadata: {name: t}\nspec:\n"
                                   "  provider: {type: prometheus, address: \"http://p\"}\n"
                                   "  query: up\n"))),
            "lat lat-2 ");
  std::string many = "    webhooks:\n";
  for (int i = 0; i < 20; ++i) {
    many += "    - {name: x, url: \"http://x.test/" + std::to_string(i) + "\"}\n";
  }
  const Conversion full = run(Source::kFlagger, flagger(many));
  EXPECT_EQ(loaded(full)->rollouts.at(0).queries.size(), 16U);
  EXPECT_TRUE(warns(full, {22, "a rollout has at most 16 queries: the rest is left out"}));
}

TEST(ConvertUsual, ReadsTheListsOfKubectl) {
  const std::string rollout =
      "- kind: Rollout\n  metadata: {name: x}\n  spec: {strategy: {canary: {steps: [{setWeight: "
      "5}]}}}\n";
  EXPECT_EQ(all_errors(run(Source::kArgo, "kind: List\nitems:\n" + rollout)), "");
  EXPECT_EQ(all_errors(run(Source::kFlagger,
                           "kind: CanaryList\nitems:\n- metadata: {name: x}\n  spec: {}\n")),
            "");
  EXPECT_EQ(
      first_error(run(Source::kArgo, "kind: List\nitems:\n" + rollout + rollout)).substr(0, 3),
      "6: ");
  EXPECT_EQ(first_error(run(Source::kArgo, "kind: List\nitems:\n" + rollout + "- 5\n")),
            "6: expected a map with apiVersion and kind");
  EXPECT_EQ(first_error(run(Source::kArgo, "kind: List\nitems: []\n")),
            "0: there is no document of kind Rollout in the file");
  std::string long_list = "kind: List\nitems:\n";
  for (int i = 0; i < 200; ++i) long_list += "- kind: Service\n";
  EXPECT_EQ(first_error(run(Source::kArgo, long_list)), "103: more than 100 documents");
}

TEST(ConvertUsual, PassesOverDirectivesOfYaml) {
  const std::string rollout =
      "kind: Rollout\nmetadata: {name: x}\nspec: {strategy: {canary: {}}}\n";
  EXPECT_EQ(all_errors(run(Source::kArgo, "%YAML 1.2\n---\n" + rollout)), "");
  EXPECT_EQ(all_errors(run(Source::kArgo,
                           "# x\n%YAML 1.2\n---\nkind: Service\n...\n%YAML 1.2\n---\n" + rollout)),
            "");
  EXPECT_EQ(first_error(run(Source::kArgo, "%YAML 1.2\n---\n")),
            "0: there is no document in the file");
}

// "REVISION PORT" of a Rollout with these containers; the port is that of the canary, whose Service
// is not in the file.
std::string version_of(const std::string& containers, const std::string& target, bool warned) {
  const Conversion result =
      run(Source::kArgo,
          "kind: Rollout\nmetadata: {name: shop}\nspec:\n  template:\n    spec:\n"
          "      containers:\n" +
              containers +
              "  strategy: {canary: {stableService: s, canaryService: c}}\n"
              "---\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80" +
              (target.empty() ? "" : ", targetPort: " + target) + "}]}\n");
  EXPECT_EQ(warnings_with(result, "has several containers"), warned ? 1U : 0U);
  const auto config = loaded(result);
  if (!config) return "no configuration";
  return config->rollouts.at(0).plan.revision + " " +
         std::to_string(config->upstreams.at(1).discovery->port);
}

TEST(ConvertUsual, TakesTheContainerThatIsReleased) {
  const std::string sidecar =
      "      - {name: istio, image: \"istio/proxyv2:1.20\", ports: "
      "[{name: http, containerPort: 15001}]}\n";
  const std::string app =
      "      - {name: web, image: \"r:5000/shop:2\", ports: [{containerPort: 9090}, {name: http, "
      "containerPort: 8080}]}\n";
  const std::string other =
      "      - {name: cache, image: \"redis:7\", ports: [{containerPort: 6379}]}\n";
  const std::string called =
      "      - {name: shop, image: \"x:3\", ports: [{containerPort: 3000}]}\n";
  EXPECT_EQ(version_of(app, "", false), "2 9090");
  EXPECT_EQ(version_of(sidecar + app, "http", true), "2 8080");
  EXPECT_EQ(version_of(sidecar + app, "", true), "2 9090");
  EXPECT_EQ(version_of(sidecar + other + app, "8080", true), "2 8080");
  EXPECT_EQ(version_of(other + app + called, "", true), "3 3000");
  EXPECT_EQ(version_of(other + app, "", true), "7 6379");
  EXPECT_EQ(version_of(sidecar, "", false), "1.20 15001");
}

// "STABLE CANARY": the ports of two Services with these.
std::string ports_of(const std::string& stable, const std::string& canary, std::size_t warned) {
  const Conversion result =
      run(Source::kArgo,
          "kind: Rollout\nmetadata: {name: shop}\nspec:\n"
          "  strategy: {canary: {stableService: s, canaryService: c}}\n"
          "---\nkind: Service\nmetadata: {name: s}\nspec: {ports: [" +
              stable + "]}\n---\nkind: Service\nmetadata: {name: c}\nspec: {ports: [" + canary +
              "]}\n");
  EXPECT_EQ(warnings_with(result, "has several ports"), warned);
  const auto config = loaded(result);
  if (!config) return "no configuration";
  return std::to_string(config->upstreams.at(0).discovery->port) + " " +
         std::to_string(config->upstreams.at(1).discovery->port);
}

TEST(ConvertUsual, TakesOnePortOfBothServices) {
  const std::string metrics = "{name: metrics, port: 9090}";
  const std::string http = "{name: http, port: 80}";
  EXPECT_EQ(ports_of(metrics + ", " + http, "{port: 80}", 1), "80 80");
  EXPECT_EQ(ports_of("{port: 80}", metrics + ", " + http, 1), "80 80");
  EXPECT_EQ(ports_of(metrics + ", " + http, metrics + ", " + http, 2), "80 80");
  EXPECT_EQ(ports_of(metrics + ", " + http, "{name: http, port: 8080}, " + metrics, 2), "80 8080");
  EXPECT_EQ(ports_of("{port: 1}, {port: 2}", "{port: 2}, {port: 3}", 2), "2 2");
  EXPECT_EQ(ports_of(metrics + ", {name: http-web, port: 8000}", "{port: 80}", 1), "8000 80");
  EXPECT_EQ(ports_of(metrics, http, 0), "9090 80");
}

std::string argo(const std::string& steps) {
  return "kind: Rollout\nmetadata: {name: shop}\nspec:\n  strategy:\n    canary:\n      steps:\n" +
         steps;
}

// A Rollout whose only metric has these lines.
Conversion metric_of(const std::string& lines) {
  return run(Source::kArgo,
             "kind: Rollout\nmetadata: {name: shop}\nspec:\n"
             "  strategy: {canary: {analysis: {templates: [{templateName: t}]}}}\n"
             "---\nkind: AnalysisTemplate\nmetadata: {name: t}\nspec:\n  metrics:\n"
             "  - name: errors\n"
             "    provider: {prometheus: {address: \"http://p\", query: up}}\n" +
                 lines);
}

TEST(ConvertUsual, BearsNoFailureThatArgoDoesNotBear) {
  const auto failures = [](const std::string& limit, std::size_t warned) -> std::uint32_t {
    const Conversion result = metric_of("    successCondition: result[0] >= 1\n" + limit);
    EXPECT_EQ(warnings_with(result, "failureLimit"), warned) << limit;
    const auto config = loaded(result);
    return config ? config->rollouts.at(0).queries.at(0).failures : 0;
  };
  EXPECT_EQ(failures("", 0), 1U);
  EXPECT_EQ(failures("    failureLimit: 0\n", 0), 1U);
  EXPECT_EQ(failures("    failureLimit: 2\n", 1), 3U);
  EXPECT_EQ(failures("    failureLimit: -1\n", 1), config::Query().failures);
}

// A bound of a query is a good value itself.
TEST(ConvertUsual, KeepsABoundThatIsBadItself) {
  const auto query = [](const std::string& condition, std::size_t warned) {
    const Conversion result = metric_of("    successCondition: " + condition + "\n");
    EXPECT_EQ(warnings_with(result, "itself is bad"), warned) << condition;
    const auto config = loaded(result);
    return config ? config->rollouts.at(0).queries.at(0) : config::Query();
  };
  EXPECT_EQ(query("result[0] >= 0.95", 0).min, 0.95);
  EXPECT_EQ(query("result <= 1", 0).max, 1);
  for (const double number : {0.0, 1.0, -2.5, 0.95, 1000.0}) {
    const std::string text = std::to_string(number);
    const config::Query above = query("result[0] > " + text, 1);
    EXPECT_GT(above.min, number);
    EXPECT_EQ(above.min, number == 0 ? 1e-12 : std::nextafter(number, 1e9));
    EXPECT_FALSE(above.max);
    const config::Query below = query("result[0] < " + text, 1);
    EXPECT_LT(below.max, number);
    EXPECT_EQ(below.max, number == 0 ? -1e-12 : std::nextafter(number, -1e9));
    EXPECT_FALSE(below.min);
  }
  EXPECT_TRUE(warns(metric_of("    successCondition: result[0] < 1\n"),
                    {10,
                     "the metric \"errors\": 1 itself is bad, so max is just beside it, "
                     "0.9999999999999999"}));
}

TEST(ConvertUsual, ReadsTheDurationsOfGo) {
  const auto pause = [](const std::string& written) -> std::optional<Duration> {
    const auto config = loaded(run(
        Source::kArgo, argo("      - setWeight: 5\n      - pause: {duration: " + written + "}\n")));
    if (!config) return std::nullopt;
    return config->rollouts.at(0).plan.steps.at(0).min_duration;
  };
  EXPECT_EQ(pause("1.5h"), std::chrono::minutes(90));
  EXPECT_EQ(pause("1h0.5m"), std::chrono::minutes(60) + std::chrono::seconds(30));
  EXPECT_EQ(pause("90"), std::chrono::seconds(90));
  for (const char* const wrong : {"1.5y", "1.5", "-1.5h", "inf", "1..5h", "1e300h", "1.5h!"}) {
    const Conversion result = run(
        Source::kArgo,
        argo("      - setWeight: 5\n      - pause: {duration: \"" + std::string(wrong) + "\"}\n"));
    EXPECT_EQ(result.errors.size(), 1U) << wrong;
    EXPECT_EQ(warnings_with(result, "is a gate"), 0U) << wrong;
  }
}

TEST(ConvertUsual, APauseBeforeTheFirstWeightWaitsForItsStart) {
  const auto start = [](const std::string& before) {
    const Conversion result = run(Source::kArgo, argo(before + "      - setWeight: 10\n"));
    const auto config = loaded(result);
    const bool manual = config && config->rollouts.at(0).plan.start == rollout::StartMode::kManual;
    EXPECT_EQ(warnings_with(result, "waits for `canaryctl start shop`"), manual ? 1U : 0U);
    return manual;
  };
  EXPECT_TRUE(start("      - pause: {}\n"));
  EXPECT_TRUE(start("      - setWeight: 0\n      - pause: {}\n"));
  EXPECT_FALSE(start("      - pause: {duration: 1h}\n"));
  EXPECT_FALSE(start(""));
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

TEST(ConvertUsual, LeavesOutADigestThatThereIsNoRoomFor) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  const auto revision = [](const std::string& image) {
    const std::string version =
        version_of("      - {name: x, image: \"" + image + "\"}\n", "", false);
    return version.substr(0, version.find(' '));
  };
  EXPECT_EQ(revision("r:5000/shop:2.4" + digest), "2.4" + digest);
  const std::string longest(128, 't');
  EXPECT_EQ(revision("shop:" + longest + digest), longest);
  EXPECT_EQ(revision("shop" + digest), std::string(64, 'a'));
  EXPECT_EQ(revision("r:5000/shop"), "");
}

}  // namespace
}  // namespace canaryd::convert
