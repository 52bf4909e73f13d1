#include "server_rig.hpp"

namespace canaryd::admin::test {
namespace {

TEST_F(ServerTest, SaysHowItIs) {
  EXPECT_EQ(get("/livez").body, "ok\n");
  EXPECT_EQ(get("/readyz").body, "ready\n");
  EXPECT_EQ(get("/readyz?verbose").body, "[+] listeners ok\n[+] configuration ok\nready\n");
  backend_.state = {false, {{"listeners", true, ""}, {"not_draining", false, "since 10:02"}}};
  EXPECT_EQ(get("/livez").status, 200);
  const Response not_ready = get("/readyz?verbose");
  EXPECT_EQ(not_ready.status, 503);
  EXPECT_EQ(not_ready.body, "[+] listeners ok\n[-] not_draining failed: since 10:02\nnot ready\n");
}

TEST_F(ServerTest, LooksAtUpstreamsOnlyWhenAsked) {
  backend_.upstream_list = {{"shop-v1", {{"127.0.0.1:1", false, false, 0}}}};
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/readyz?upstreams").status, 503);
  backend_.upstream_list[0].endpoints.push_back({"127.0.0.1:2", true, false, 0});
  EXPECT_EQ(get("/readyz?upstreams").status, 200);
}

TEST_F(ServerTest, ServesMetricsAndConfiguration) {
  const Response metrics = get("/metrics");
  EXPECT_EQ(metrics.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(metrics.body, "canaryd_build_info 1\n");
  const Response config = get("/api/v1/config");
  EXPECT_EQ(config.header("Content-Type"), "application/yaml");
  EXPECT_EQ(config.body, "version: 1\n");
  EXPECT_EQ(get("/api/v1/build").body, "{\"version\": \"0.1.0\", \"commit\": \"abc1234\"}\n");
}

TEST_F(ServerTest, ListsWhatThereIs) {
  EXPECT_EQ(parse(get("/api/v1/rollouts")).at("items").at(0).at("name").as_string(), "checkout");
  EXPECT_EQ(parse(get("/api/v1/listeners")).at("items").at(0).at("address").as_string(),
            "0.0.0.0:8080");
  const json::value upstream = parse(get("/api/v1/upstreams")).at("items").at(0);
  EXPECT_EQ(upstream.at("endpoints").at(1).at("ejected").as_bool(), true);
  EXPECT_EQ(upstream.at("source").as_string(), "list");
  EXPECT_TRUE(upstream.at("source_error").is_null());
  const json::value route = parse(get("/api/v1/routes")).at("items").at(0);
  EXPECT_EQ(route.at("rollout").as_string(), "checkout");
  EXPECT_TRUE(route.at("upstream").is_null());
  EXPECT_TRUE(route.at("mirror").is_null());
}

TEST_F(ServerTest, MapsTheMigration) {
  control::MigrationRoute moving;
  moving.name = "orders";
  moving.match = "path_prefix /orders";
  moving.rollout = "orders";
  moving.from = "monolith";
  moving.to = "orders";
  moving.state = control::MigrationState::kMoving;
  moving.weight = BasisPoints(1000);
  moving.requests = {.left = 90, .moved = 10};
  control::MigrationRoute gone;
  gone.name = "gone";
  gone.state = control::MigrationState::kAnswered;
  gone.requests.answered = 7;
  gone.sunset = WallTime(std::chrono::seconds(1767607320));
  backend_.migration_map.from = {"monolith"};
  backend_.migration_map.routes = {moving, gone};
  backend_.migration_map.requests = {.left = 90, .moved = 10, .answered = 7};
  json::value map = parse(get("/api/v1/migration"));
  EXPECT_EQ(json::serialize(map.at("routes")),
            R"({"total":2,"left":0,"moving":1,"moved":0,"answered":1})");
  EXPECT_EQ(map.at("requests").at("share").as_double(), 0.1);
  EXPECT_EQ(map.at("items").at(0).at("weight").to_number<double>(), 10);
  EXPECT_EQ(map.at("items").at(1).at("sunset").as_string(), "2026-01-05T10:02:00Z");
  EXPECT_TRUE(map.at("items").at(1).at("share").is_null());
  EXPECT_TRUE(map.at("items").at(1).at("weight").is_null());
  EXPECT_TRUE(map.at("paths").is_null());
  backend_.migration_map.paths = {{"/x/{id}", false, 5, 1}};
  map = parse(get("/api/v1/migration"));
  EXPECT_EQ(json::serialize(map.at("paths").at(0)),
            R"({"path":"/x/{id}","routed":false,"requests":5,"error":1})");
}

TEST_F(ServerTest, ShowsOneRolloutWithItsGeneration) {
  const Response response = get("/api/v1/rollouts/checkout");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("Content-Type"), "application/json");
  EXPECT_EQ(response.header("ETag"), "\"17\"");
  EXPECT_EQ(response.header("Cache-Control"), "no-store");
  EXPECT_EQ(parse(response).at("state").as_string(), "progressing");
  expect_problem(get("/api/v1/rollouts/nobody"), 404, "not-found");
}

TEST_F(ServerTest, NamesTheRolloutsThatThereAreToWhoeverMissesOne) {
  const std::string nobody = "/api/v1/rollouts/nobody";
  for (const Response& response :
       {get(nobody),
        get(nobody + "/analysis"),
        get(nobody + "/series"),
        get(nobody + "/history"),
        get(nobody + "/comments"),
        get(nobody + "/verification"),
        get("/api/v1/history/verification?rollout=nobody"),
        post(nobody + "/abort"),
        post(nobody + "/feedback", R"({"cohort": "canary", "score": 1})")}) {
    expect_problem(response, 404, "not-found");
    EXPECT_EQ(parse(response).at("detail").as_string(),
              "there is no such rollout; there is checkout");
  }
}

// Of many the first ten help nobody.
TEST_F(ServerTest, NamesTheRolloutThatWasProbablyMeant) {
  for (int i = 0; i < 60; ++i) backend_.known["r" + std::to_string(i)] = {};
  for (auto& [name, view] : backend_.known) view.name = name;
  const auto detail = [this](const std::string& path) {
    return std::string(parse(get(path)).at("detail").as_string());
  };
  EXPECT_EQ(detail("/api/v1/rollouts/r599"), "there is no such rollout; did you mean \"r59\"?");
  EXPECT_EQ(detail("/api/v1/history/verification?rollout=chekcout"),
            "there is no such rollout; did you mean \"checkout\"?");
  EXPECT_NE(detail("/api/v1/rollouts/nobody").find("; there are "), std::string::npos);
}

TEST_F(ServerTest, AnswersHeadWithoutABody) {
  Request request;
  request.method = "HEAD";
  request.target = "/api/v1/rollouts/checkout";
  const Response response = fetch(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "");
  EXPECT_NE(response.header("Content-Length"), "0");
}

TEST_F(ServerTest, ShowsTheEvidenceAlone) {
  const json::value body = parse(get("/api/v1/rollouts/checkout/analysis"));
  const json::value whole = parse(get("/api/v1/rollouts/checkout"));
  ASSERT_FALSE(body.at("items").as_array().empty());
  EXPECT_EQ(body.at("items"), whole.at("analysis"));
  EXPECT_EQ(body.at("generation"), whole.at("generation"));
  EXPECT_EQ(body.at("state"), whole.at("state"));
  expect_problem(get("/api/v1/rollouts/nobody/analysis"), 404, "not-found");
}

TEST_F(ServerTest, PagesThroughHistory) {
  control::HistoryRow row;
  row.id = 41;
  row.rollout = "checkout";
  row.message = "step 1 (1 %) passed";
  backend_.rows = {row};
  const Response response = get("/api/v1/rollouts/checkout/history?limit=5&after=40");
  EXPECT_EQ(parse(response).at("items").at(0).at("id").as_int64(), 41);
  EXPECT_EQ(backend_.last_query.limit, 5U);
  EXPECT_EQ(backend_.last_query.after, 40U);
  EXPECT_EQ(get("/api/v1/rollouts/checkout/history").status, 200);
  EXPECT_EQ(backend_.last_query.after, std::nullopt);
  expect_problem(get("/api/v1/rollouts/nobody/history"), 404, "not-found");
  expect_problem(get("/api/v1/rollouts/checkout/history?limit=0"), 400, "bad-request");
  expect_problem(get("/api/v1/rollouts/checkout/history?before=1"), 400, "bad-request");
}

TEST_F(ServerTest, MakesAVerdictAgain) {
  control::VerificationView view;
  view.id = 41;
  view.result = control::VerifyResult::kSame;
  view.decision = "rollback";
  view.rows = 212;
  view.figures = {{"all", "0x1.2ep+2", "0x1.2ep+2", 4.71875}};
  backend_.verification = view;
  const json::value body = parse(get("/api/v1/rollouts/checkout/verification?at=41"));
  EXPECT_EQ(backend_.last_verify.rollout, "checkout");
  EXPECT_EQ(backend_.last_verify.at, 41U);
  EXPECT_EQ(body.at("result").as_string(), "same");
  EXPECT_EQ(body.at("rows").as_int64(), 212);
  EXPECT_EQ(body.at("figures").at(0).at("recorded").as_string(), "0x1.2ep+2");
  EXPECT_EQ(body.at("figures").at(0).at("value").as_double(), 4.71875);
  EXPECT_EQ(get("/api/v1/rollouts/checkout/verification").status, 200);
  EXPECT_EQ(backend_.last_verify.at, std::nullopt);
  expect_problem(get("/api/v1/rollouts/nobody/verification"), 404, "not-found");
  expect_problem(get("/api/v1/rollouts/checkout/verification?at=x"), 400, "bad-request");
  backend_.verification = fail(ErrorCode::kLimit, "one is under way");
  expect_problem(get("/api/v1/rollouts/checkout/verification"), 503, "busy");
  backend_.verification = fail(ErrorCode::kIo, "disk is gone");
  expect_problem(get("/api/v1/rollouts/checkout/verification"), 503, "store-failed");
}

TEST_F(ServerTest, ChecksTheHistory) {
  control::HistoryCheckView view;
  view.result = control::HistoryResult::kBroken;
  view.why = "entry 3: it is missing";
  view.entries = 2;
  view.of_rollout = 1;
  view.rollout = "checkout";
  view.first = WallTime(std::chrono::seconds(1767607320));
  view.head = {2, std::string(64, 'a')};
  view.bad_id = 3;
  backend_.history_check = view;
  const std::string head = "7:" + std::string(64, 'b');
  const json::value body = parse(get("/api/v1/history/verification?rollout=checkout&head=" + head));
  EXPECT_EQ(backend_.last_history_check.rollout, "checkout");
  EXPECT_EQ(backend_.last_history_check.known->id, 7U);
  EXPECT_EQ(backend_.last_history_check.known->hash, std::string(64, 'b'));
  EXPECT_EQ(body.at("result").as_string(), "broken");
  EXPECT_EQ(body.at("why").as_string(), "entry 3: it is missing");
  EXPECT_EQ(body.at("entries").as_int64(), 2);
  EXPECT_EQ(body.at("of_rollout").as_int64(), 1);
  EXPECT_EQ(body.at("first").as_string(), "2026-01-05T10:02:00Z");
  EXPECT_TRUE(body.at("last").is_null());
  EXPECT_EQ(body.at("head").as_string(), "2:" + std::string(64, 'a'));
  EXPECT_EQ(body.at("bad_id").as_int64(), 3);
  for (const char* wrong : {"7", ":", "7:", "x:aa", "7:AA", "-1:", "7:aa"}) {
    expect_problem(
        get(std::string("/api/v1/history/verification?head=") + wrong), 400, "bad-request");
  }
  backend_.history_check = fail(ErrorCode::kLimit, "one is under way");
  expect_problem(get("/api/v1/history/verification"), 503, "busy");
  EXPECT_EQ(backend_.last_history_check.known, std::nullopt);
}

TEST_F(ServerTest, KnowsOnlyItsPaths) {
  for (const char* target : {"/index.html",
                             "/dashboard/",
                             "/dashboard/../livez",
                             "/api/v1",
                             "/api/v1/rollouts/",
                             "/api/v1/rollouts//pause",
                             "/api/v1/rollouts/checkout/",
                             "/api/v1/rollouts/checkout/explode",
                             "/api/v1/rollouts/checkout/pause/now",
                             "/livez/",
                             "//livez",
                             "/api/v1/rollouts/%63heckout"}) {
    EXPECT_EQ(get(target).status, 404) << target;
  }
}

TEST_F(ServerTest, ChangesByPostOnlyAndReadsByGetOnly) {
  for (const char* word : {"start", "abort", "weight", "approve"}) {
    const Response response = get(std::string("/api/v1/rollouts/checkout/") + word);
    expect_problem(response, 405, "method-not-allowed");
    EXPECT_EQ(response.header("Allow"), "POST");
  }
  for (const char* target :
       {"/livez", "/metrics", "/api/v1/rollouts/checkout", "/api/v1/rollouts/checkout/analysis"}) {
    const Response response = post(target);
    expect_problem(response, 405, "method-not-allowed");
    EXPECT_EQ(response.header("Allow"), "GET, HEAD");
  }
  Request request;
  request.method = "DELETE";
  request.target = "/api/v1/rollouts/checkout";
  expect_problem(fetch(request), 405, "method-not-allowed");
  EXPECT_TRUE(backend_.actions.empty());
}

TEST_F(ServerTest, AsksForJson) {
  Request request;
  request.method = "POST";
  request.target = "/api/v1/rollouts/checkout/pause";
  request.body = "{}";
  expect_problem(fetch(request), 415, "unsupported-media-type");
  request.headers = {{"Content-Type", "text/plain"}};
  expect_problem(fetch(request), 415, "unsupported-media-type");
  request.headers = {{"Content-Type", "Application/JSON; charset=utf-8"}};
  EXPECT_EQ(fetch(request).status, 200);
  expect_problem(post("/api/v1/rollouts/checkout/pause", "{"), 400, "bad-request");
  expect_problem(post("/api/v1/rollouts/checkout/weight", "{}"), 400, "bad-request");
}

TEST_F(ServerTest, KeepsOtherSitesOut) {
  expect_problem(post("/api/v1/drain", "", {{"Origin", "http://evil.example"}}), 403, "cross-site");
  expect_problem(post("/api/v1/drain", "", {{"Sec-Fetch-Site", "cross-site"}}), 403, "cross-site");
  EXPECT_EQ(backend_.drains, 0);
}

TEST_F(ServerTest, TellsWhatUsersSaid) {
  backend_.comment_list = {
      {WallTime(std::chrono::seconds(1767607200)), "checkout", "canary", 2, "browser", "\"slow\""}};
  EXPECT_EQ(get("/api/v1/rollouts/checkout/comments?limit=5").body,
            R"({"items": [{"time": "2026-01-05T10:00:00Z", "rollout": "checkout", )"
            R"("cohort": "canary", "score": 2, "actor": "browser", "comment": "\"slow\""}]})"
            "\n");
  EXPECT_EQ(backend_.comments_asked, 5U);
  expect_problem(get("/api/v1/rollouts/checkout/comments?limit=0"), 400, "bad-request");
  expect_problem(get("/api/v1/rollouts/nobody/comments"), 404, "not-found");
}

}  // namespace
}  // namespace canaryd::admin::test
