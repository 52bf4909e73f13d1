// A control plane made of values, and an admin server in front of it on a thread of its own and on
// port 0.
#pragma once

#include "canaryd/admin/server.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace canaryd::test {

// The rollout of docs/interfaces.md section 3.
[[nodiscard]] inline control::RolloutView example_rollout() {
  using std::chrono::minutes;
  using std::chrono::seconds;
  control::RolloutView view;
  view.name = "checkout";
  view.generation = 17;
  view.state = "progressing";
  view.since = WallTime(seconds(1767607320));  // 2026-01-05T10:02:00Z
  view.for_how_long = seconds(190);
  view.stable = "shop-v1";
  view.canary = "shop-v2";
  view.revision = "2.4.0";
  view.step = control::StepView{};
  view.step->index = 1;
  view.step->count = 5;
  view.step->weight = BasisPoints(500);
  view.step->elapsed = seconds(190);
  view.step->min_duration = minutes(10);
  view.step->requests = 812;
  view.steps = {{BasisPoints(100), {}},
                {BasisPoints(500), {}},
                {BasisPoints(1000), {}},
                {BasisPoints(2500), "product-owner"},
                {BasisPoints(10000), {}}};
  view.bake = std::chrono::hours(24);
  view.weight = {BasisPoints(500), 4.93, true};
  view.stable_cohort = {51.2, 15433, 0.0021, 0.011, 0.041, 0.088};
  view.canary_cohort = {2.7, 812, 0.0025, 0.012, 0.043, 0.090};
  control::MetricView errors;
  errors.metric = "errors";
  errors.stable = 0.0021;
  errors.canary = 0.0025;
  errors.tolerated = 0.0033;
  errors.rollback_evidence = 0.04;
  errors.accept_evidence = 0.61;
  errors.needs_about = minutes(6);
  view.analysis = {errors};
  view.exposure = control::ExposureView{1, 3, 20};
  view.next = "weight 10 in about 9m, when latency p99 is accepted";
  return view;
}

class FakeBackend final : public control::Backend {
 public:
  std::map<std::string, control::RolloutView, std::less<>> known{{"checkout", example_rollout()}};
  std::vector<control::ActionRequest> actions;
  control::ActionStatus status = control::ActionStatus::kOk;
  std::string detail;
  bool answer_actions = true;  // Else the answer is kept in `owed`.
  std::vector<std::function<void()>> owed;
  std::vector<control::HistoryRow> rows;
  control::HistoryQuery last_query;
  mutable control::SeriesQuery last_series;
  std::vector<control::PointView> points;
  std::vector<control::FeedbackRequest> votes;
  control::FeedbackStatus feedback_status = control::FeedbackStatus::kCounted;
  std::vector<control::CommentView> comment_list;
  std::size_t comments_asked = 0;
  control::VerifyQuery last_verify;
  Result<control::VerificationView> verification{control::VerificationView{}};
  control::HistoryCheckQuery last_history_check;
  Result<control::HistoryCheckView> history_check{control::HistoryCheckView{}};
  control::MigrationView migration_map;
  control::Readiness state{true, {{"listeners", true, ""}, {"configuration", true, ""}}};
  std::vector<control::UpstreamView> upstream_list{
      {"shop-v1", {{"127.0.0.1:9001", true, false, 2}, {"127.0.0.1:9002", false, true, 0}}}};
  control::ReloadResult reload_result{true, {}};
  mutable std::vector<control::ExplainRequest> questions;
  std::string metrics = "canaryd_build_info 1\n";
  std::string config = "version: 1\n";
  int reloads = 0;
  control::Asked reloaded_by;
  int drains = 0;
  struct OpenTap {
    telemetry::TapFilter filter;
    control::EventSink sink;
  };
  // By number; one goes when its follower does.
  std::shared_ptr<std::map<int, OpenTap>> taps = std::make_shared<std::map<int, OpenTap>>();
  int taps_opened = 0;
  std::vector<control::ControlEvent> past;
  std::optional<std::uint64_t> followed_after;
  control::ControlSink follower;  // The last one; may be called after it has gone.
  std::string level = "info";

  std::vector<control::RolloutView> rollouts() const override {
    std::vector<control::RolloutView> list;
    for (const auto& [name, view] : known) list.push_back(view);
    return list;
  }
  std::optional<control::RolloutView> rollout(std::string_view name) const override {
    const auto found = known.find(name);
    if (found == known.end()) return std::nullopt;
    return found->second;
  }
  void act(control::ActionRequest request, ActionDone done) override {
    control::ActionResult result = decide(request);
    actions.push_back(std::move(request));
    if (answer_actions) return done(std::move(result));
    owed.emplace_back([done = std::move(done), result] { done(result); });
  }
  std::optional<std::vector<control::PointView>> series(
      const control::SeriesQuery& query) const override {
    if (!known.contains(query.rollout)) return std::nullopt;
    last_series = query;
    return points;
  }
  void history(control::HistoryQuery query, HistoryDone done) override {
    last_query = query;
    if (!known.contains(query.rollout)) return done(fail(ErrorCode::kNotFound));
    done(rows);
  }
  control::FeedbackStatus feedback(control::FeedbackRequest request) override {
    if (!known.contains(request.rollout)) return control::FeedbackStatus::kNotFound;
    votes.push_back(std::move(request));
    return feedback_status;
  }
  void comments(control::CommentQuery query, CommentsDone done) override {
    comments_asked = query.limit;
    if (!known.contains(query.rollout)) return done(fail(ErrorCode::kNotFound));
    done(comment_list);
  }
  void verify(control::VerifyQuery query, control::VerifyDone done) override {
    last_verify = query;
    if (!known.contains(query.rollout)) return done(fail(ErrorCode::kNotFound, "no such rollout"));
    done(verification);
  }
  void verify_history(control::HistoryCheckQuery query, control::HistoryCheckDone done) override {
    last_history_check = query;
    done(history_check);
  }
  std::vector<control::ListenerView> listeners() const override {
    return {{"public", "0.0.0.0:8080", 7}};
  }
  std::vector<control::UpstreamView> upstreams() const override { return upstream_list; }
  std::vector<control::RouteView> routes() const override {
    return {{"shop", "path_prefix: /", "checkout", "", 16245}};
  }
  control::MigrationView migration() const override { return migration_map; }
  control::Readiness readiness() const override { return state; }
  Result<control::Explanation> explain(const control::ExplainRequest& question) const override {
    questions.push_back(question);
    if (question.url == "odd") return fail(ErrorCode::kInvalidArgument, "that makes no request");
    control::Explanation answer;
    answer.listener = "public";
    answer.client = "127.0.0.1";
    answer.method = question.method;
    answer.host = "shop";
    answer.path = question.url;
    answer.route = "shop";
    answer.match = "path_prefix /";
    answer.rollout = "checkout";
    answer.state = "progressing";
    answer.cohort = "canary";
    answer.rule = "weight";
    answer.key_source = "header";
    answer.key_name = "X-User-Id";
    answer.bucket = 143;
    answer.weight = BasisPoints(500);
    answer.upstream = "shop-v2";
    answer.endpoints = {{"127.0.0.1:9003", true, false, 0}};
    answer.mirror = control::MirrorView{"shop-v3", BasisPoints(1000)};
    answer.why = "bucket 143 of 10000 is below the weight of 5 %";
    return answer;
  }
  control::BuildView build() const override { return {"0.1.0", "abc1234"}; }
  Result<std::unique_ptr<control::Subscription>> tap(telemetry::TapFilter filter,
                                                     control::EventSink sink) override {
    if (filter.route == "nowhere") {
      return fail(ErrorCode::kInvalidArgument, "there is no such route");
    }
    taps->emplace(taps_opened, OpenTap{std::move(filter), std::move(sink)});
    return std::make_unique<TapHandle>(taps, taps_opened++);
  }
  // To every tap, as the control thread does.
  void emit(const control::StreamEvent& event) const {
    for (const auto& [number, tap] : *taps) tap.sink(event);
  }
  std::unique_ptr<control::Subscription> events(std::optional<std::uint64_t> after,
                                                control::ControlSink sink) override {
    followed_after = after;
    for (const control::ControlEvent& event : past) {
      if (after && event.id > *after) sink(event);
    }
    follower = std::move(sink);
    return std::make_unique<control::Subscription>();
  }
  std::string metrics_text() override { return metrics; }
  std::string config_text() const override { return config; }
  std::string config_schema() const override { return "{\"type\": \"object\"}\n"; }
  void reload(control::Asked by, ReloadDone done) override {
    ++reloads;
    reloaded_by = std::move(by);
    done(reload_result);
  }
  void drain() override { ++drains; }
  Result<void> set_log_level(std::string_view name) override {
    if (name != "debug" && name != "info") {
      return fail(ErrorCode::kInvalidArgument, "expected debug, info, warn, error or off");
    }
    level = name;
    return {};
  }

 private:
  class TapHandle final : public control::Subscription {
   public:
    TapHandle(std::weak_ptr<std::map<int, OpenTap>> taps_in, int number)
        : taps_(std::move(taps_in)), number_(number) {}
    TapHandle(const TapHandle&) = delete;
    TapHandle& operator=(const TapHandle&) = delete;
    ~TapHandle() override {
      if (const auto open = taps_.lock()) open->erase(number_);
    }

   private:
    std::weak_ptr<std::map<int, OpenTap>> taps_;
    int number_;
  };

  control::ActionResult decide(const control::ActionRequest& request) {
    control::ActionResult result;
    const auto found = known.find(request.rollout);
    if (found == known.end()) {
      result.status = control::ActionStatus::kNotFound;
      result.detail = "there is no such rollout";
      return result;
    }
    result.status = status;
    result.detail = detail;
    if (request.if_match && *request.if_match != found->second.generation) {
      result.status = control::ActionStatus::kStale;
      result.detail = "the rollout has moved on";
    }
    if (result.status == control::ActionStatus::kOk ||
        result.status == control::ActionStatus::kNotDurable) {
      ++found->second.generation;
      if (request.action == control::Action::kAbort) found->second.state = "aborted";
    }
    result.view = found->second;
    return result;
  }
};

[[nodiscard]] inline admin::Options with_limits(const admin::Limits& limits) {
  return {.address = "127.0.0.1:0", .limits = limits};
}

class AdminFixture {
 public:
  explicit AdminFixture(admin::Options options = {.address = "127.0.0.1:0", .limits = {}})
      : server_(std::make_unique<admin::Server>(io_, backend, std::move(options))) {
    address = server_->start().value();
    thread_ = std::thread([this] { io_.run(); });
  }
  AdminFixture(const AdminFixture&) = delete;
  AdminFixture& operator=(const AdminFixture&) = delete;
  ~AdminFixture() {
    stop();
    work_.reset();
    thread_.join();
  }

  // Runs on the control thread and waits for it.
  void on_control(const std::function<void()>& work) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void stop() {
    on_control([this] { server_.reset(); });
  }

  FakeBackend backend;
  std::string address;

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::unique_ptr<admin::Server> server_;
  std::thread thread_;
};

}  // namespace canaryd::test
