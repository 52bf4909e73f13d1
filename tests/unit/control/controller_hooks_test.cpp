// Hooks as the controller uses them: asked before a step, told afterwards.
#include "control/hook_call.hpp"
#include "control/messenger.hpp"
#include "controller_rig.hpp"
#include "held_exec.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

// Answers when the test says so.
class HeldHttp final : public HttpIo {
 public:
  void ask(HttpQuestion question, Done done) override {
    asked.push_back(std::move(question));
    waiting_.push_back(std::move(done));
  }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  void answer(Result<client::Response> with) {
    ASSERT_FALSE(waiting_.empty());
    Done done = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    done(std::move(with));
  }
  void answer(int status) {
    client::Response response;
    response.status = status;
    answer(std::move(response));
  }
  // The daemon is gone, and with it who was asked.
  void forget() { waiting_.clear(); }

  std::vector<HttpQuestion> asked;

 private:
  std::vector<Done> waiting_;
};

class ControllerHooksTest : public ControllerRig {
 protected:
  ControllerHooksTest() {
    http_io_ = &http_;
    exec_io_ = &exec_;
  }
  ~ControllerHooksTest() override { power_off(); }

  void boot_with(const std::string& hooks, const std::string& start = "manual") {
    file_ =
        file_with(kListener, kRollout + "    start: " + start + "\n    hooks: [" + hooks + "]\n");
    boot();
  }
  void crash_and_boot() {
    power_off();
    http_.forget();
    boot();
  }
  // Seconds of traffic until somebody is asked.
  void until_asked() {
    for (int i = 0; i < 60 && http_.waiting() == 0; ++i) second();
    ASSERT_EQ(http_.waiting(), 1U);
  }
  void quiet_seconds(int count) {
    for (int i = 0; i < count; ++i) {
      clock_.advance(1s);
      controller_->tick();
      settle();
    }
  }

  HeldHttp http_;
  HeldExec exec_;
};

const char* const kGate =
    "{on: [before_step], http: {url: \"http://127.0.0.1:9100/gate\", timeout: 3s}}";

TEST_F(ControllerHooksTest, AStepWaitsForTheAnswer) {
  boot_with(kGate);
  act(Action::kStart);
  until_asked();
  EXPECT_EQ(http_.asked[0].url.to_string(), "http://127.0.0.1:9100/gate");
  EXPECT_EQ(http_.asked[0].method, "POST");
  EXPECT_EQ(http_.asked[0].timeout, 3s);
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"event\": \"before_step\""));
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"weight\": 10, \"next_weight\": 50"));
  for (int i = 0; i < 5; ++i) second();
  EXPECT_EQ(effective(), 10);
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(http_.asked.size(), 1U) << "asked once";
  http_.answer(204);
  second();
  EXPECT_EQ(effective(), 50);
}

TEST_F(ControllerHooksTest, ARefusalHoldsAndIsAskedAgain) {
  boot_with(kGate);
  act(Action::kStart);
  until_asked();
  http_.answer(503);
  second();
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(view().reason, "hook");
  EXPECT_THAT(disk_.journal().back().entry.sentence, HasSubstr("the answer was 503"));
  EXPECT_THAT(
      view().next.value(),
      HasSubstr("held until every before_step hook agrees; the last answer: the answer was 503"));
  until_asked();
  http_.answer(fail(ErrorCode::kTimeout, "it took too long"));
  const std::size_t before = http_.asked.size();
  second();
  EXPECT_EQ(http_.asked.size(), before) << "later each time";
  until_asked();
  EXPECT_EQ(effective(), 10);
  http_.answer(200);
  second();
  EXPECT_EQ(effective(), 50);
  EXPECT_EQ(view().state, "progressing");
}

TEST_F(ControllerHooksTest, AHookThatHangsKeepsNobodyFromGoingBack) {
  boot_with(kGate);
  act(Action::kStart);
  until_asked();
  EXPECT_EQ(act(Action::kAbort).status, ActionStatus::kOk);
  EXPECT_EQ(effective(), 0);
  http_.answer(200);
  second();
  EXPECT_EQ(view().state, "aborted") << "the answer comes too late";
  EXPECT_EQ(act(Action::kRetry).status, ActionStatus::kOk);
  until_asked();
  int seconds = 0;
  for (; effective() > 0 && seconds < 30; ++seconds) second(0, 200);
  EXPECT_LE(seconds, 8);
  EXPECT_EQ(view().state, "rolled_back");
}

TEST_F(ControllerHooksTest, AllOfThemHaveToAgree) {
  boot_with(std::string(kGate) + ", {on: [before_step], http: {url: \"http://127.0.0.1:9200/\"}}");
  act(Action::kStart);
  until_asked();
  http_.answer(200);
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_EQ(http_.asked[1].url.port, 9200);
  http_.answer(404);
  second();
  EXPECT_EQ(view().reason, "hook");
}

TEST_F(ControllerHooksTest, AStartByItselfAsksToo) {
  boot_with(kGate, "auto");
  until_asked();
  EXPECT_EQ(view().state, "idle");
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"weight\": 0, \"next_weight\": 10"));
  EXPECT_EQ(view().next, "starts by itself when every before_step hook agrees");
  http_.answer(409);
  second();
  EXPECT_EQ(view().state, "idle");
  EXPECT_THAT(view().next.value(),
              HasSubstr("when every before_step hook agrees; the last answer: the answer was 409"));
  until_asked();
  http_.answer(200);
  second();
  EXPECT_EQ(effective(), 10);
}

// Idle, both are about the same weights of no run.
TEST_F(ControllerHooksTest, AYesToOneRevisionStartsNoOther) {
  const std::string hooks = "    start: auto\n    hooks: [" + std::string(kGate) + "]\n";
  file_ = file_with(kListener, kRollout + hooks + "    revision: A\n");
  boot();
  until_asked();
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"revision\": \"A\""));
  reload(file_with(kListener, kRollout + hooks + "    revision: B\n"));
  second();
  http_.answer(200);
  second();
  EXPECT_EQ(view().state, "idle");
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_THAT(http_.asked[1].body, HasSubstr("\"revision\": \"B\""));
  http_.answer(200);
  second();
  EXPECT_EQ(effective(), 10);
}

TEST_F(ControllerHooksTest, AHookThatComesWhileOthersAreAskedHasToAgreeToo) {
  boot_with(kGate);
  act(Action::kStart);
  until_asked();
  reload(file_with(kListener,
                   kRollout + "    start: manual\n    hooks: [" + kGate +
                       ", {on: [before_step], http: {url: \"http://127.0.0.1:9200/\"}}]\n"));
  second();
  http_.answer(200);  // The question of before.
  second();
  EXPECT_EQ(effective(), 10);
  http_.answer(200);
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_EQ(http_.asked.back().url.port, 9200);
  http_.answer(403);
  second();
  EXPECT_EQ(effective(), 10);
  EXPECT_EQ(view().reason, "hook");
}

TEST_F(ControllerHooksTest, TheAddressMayBeASecret) {
  read_file_ = [](const std::string& name) -> Result<std::string> {
    EXPECT_EQ(name, "webhook.url");
    return std::string("http://127.0.0.1:9300/secret\n");
  };
  boot_with("{on: [aborted], http: {url_file: webhook.url}}");
  act(Action::kAbort);
  quiet_seconds(1);
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_EQ(http_.asked[0].url.target, "/secret");
  EXPECT_THAT(controller_->config_text(), ::testing::Not(HasSubstr("9300")));
}

TEST_F(ControllerHooksTest, WhatMayBeASecretIsShownToNobody) {
  const auto hooks_with = [](const std::string& secret) {
    return "    hooks: [{on: [aborted], http: {url: \"http://127.0.0.1:9100/?token=" + secret +
           "\"}}, {on: [aborted], exec: [./tell.sh, " + secret + "]}]\n";
  };
  file_ = file_with(kListener, kRollout + hooks_with("s3cret"));
  boot();
  EXPECT_THAT(controller_->config_text(), ::testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(controller_->config_text(), HasSubstr("http://127.0.0.1:9100/?token=***"));
  ASSERT_TRUE(reload(file_with(kListener, kRollout + hooks_with("0ther"))).ok);
  const std::string sentence = disk_.journal().back().entry.sentence;
  EXPECT_THAT(sentence, HasSubstr("token=***\", changed behind the mask"));
  EXPECT_THAT(sentence, ::testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(sentence, ::testing::Not(HasSubstr("0ther")));
  quiet_seconds(1);
  // Those who have to have it do.
  act(Action::kAbort);
  quiet_seconds(1);
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_EQ(http_.asked[0].url.target, "/?token=0ther");
  ASSERT_EQ(exec_.calls.size(), 1U);
  EXPECT_THAT(exec_.calls[0].command, ::testing::ElementsAre("./tell.sh", "0ther"));
}

TEST(ShownTargetTest, NamesAHookAndHoldsNoSecret) {
  config::Hook hook;
  hook.url = parse_http_url("http://chat/told?token=s3cret").value();
  EXPECT_EQ(shown_target(hook), "http://chat:80/told?token=***");
  EXPECT_EQ(target_of(hook), "http://chat:80/told?token=s3cret") << "tells it from others";
  hook.url.reset();
  hook.url_file = "chat.url";
  EXPECT_EQ(shown_target(hook), "the URL in chat.url");
  hook.url_file.clear();
  hook.exec = {"./tell.sh"};
  EXPECT_EQ(shown_target(hook), "./tell.sh");
  hook.exec = {"./tell.sh", "s3cret"};
  EXPECT_EQ(shown_target(hook), "./tell.sh with 1 argument");
  hook.exec = {"curl", "-H", "s3cret"};
  EXPECT_EQ(shown_target(hook), "curl with 2 arguments");
  EXPECT_EQ(target_of(hook), "curl -H s3cret");
  hook.exec = {"curl", "-H s3cret"};
  EXPECT_EQ(target_of(hook), "curl -H\\ s3cret") << "another command";
  hook.exec = {"curl", "-H\\", "s3cret"};
  EXPECT_EQ(target_of(hook), "curl -H\\\\ s3cret");
}

const char* const kEnds =
    "{on: [aborted, progressing], http: {url: \"http://127.0.0.1:9100/told\"}}";

TEST_F(ControllerHooksTest, EachStateIsToldOnceItIsTaken) {
  boot_with(kEnds);
  act(Action::kStart);
  act(Action::kPause);
  act(Action::kAbort);
  quiet_seconds(1);
  ASSERT_EQ(http_.waiting(), 1U) << "one after the other";
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"state\": \"progressing\""));
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"text\": \"started shop at 10 %"));
  http_.answer(200);
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_THAT(http_.asked[1].body, HasSubstr("\"state\": \"aborted\""));
  http_.answer(500);
  quiet_seconds(1);
  ASSERT_EQ(http_.waiting(), 1U) << "tried again";
  EXPECT_EQ(http_.asked[2].body, http_.asked[1].body);
  http_.answer(200);
  quiet_seconds(20);
  EXPECT_EQ(http_.asked.size(), 3U);
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_hook_calls_total{rollout=\"shop\",result=\"ok\"} 2"));
}

TEST_F(ControllerHooksTest, ACrashLosesNoMessage) {
  boot_with(kEnds);
  act(Action::kAbort);  // Told nobody yet.
  crash_and_boot();
  quiet_seconds(1);
  ASSERT_EQ(http_.waiting(), 1U);
  const std::string body = http_.asked.back().body;
  EXPECT_THAT(body, HasSubstr("\"state\": \"aborted\""));
  crash_and_boot();  // Asked, but whether it was taken is not known.
  quiet_seconds(1);
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_EQ(http_.asked.back().body, body) << "the same id";
  http_.answer(200);
  settle();
  const std::size_t told = http_.asked.size();
  crash_and_boot();
  quiet_seconds(20);
  EXPECT_EQ(http_.asked.size(), told) << "taken is taken";
}

TEST_F(ControllerHooksTest, ANewHookHearsOfWhatHappensFromThenOn) {
  boot();
  act(Action::kAbort);
  reload(file_with(kListener, kRollout + "    hooks: [" + kEnds + "]\n"));
  quiet_seconds(20);
  EXPECT_EQ(http_.asked.size(), 0U);
  act(Action::kRetry);
  quiet_seconds(1);
  ASSERT_EQ(http_.asked.size(), 1U);
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"from\": \"aborted\""));
}

// It is as new as if it had never been there.
TEST_F(ControllerHooksTest, OneThatComesBackHearsOfWhatHappensFromThenOn) {
  boot_with(kEnds);
  const std::string with_hook = file_;
  const std::string without = file_with(kListener, kRollout + "    start: manual\n");
  reload(without);
  act(Action::kAbort);
  reload(with_hook);
  quiet_seconds(20);
  EXPECT_EQ(http_.asked.size(), 0U);
  // The same over restarts.
  for (const std::string& file : {without, with_hook}) {
    file_ = file;
    crash_and_boot();
    if (file == without) act(Action::kRetry);
  }
  quiet_seconds(20);
  EXPECT_EQ(http_.asked.size(), 0U);
  act(Action::kAbort);
  quiet_seconds(1);
  ASSERT_EQ(http_.asked.size(), 1U);
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"state\": \"aborted\""));
}

TEST_F(ControllerHooksTest, OneThatLeavesWithItsRolloutComesBackWithIt) {
  boot_with(kEnds);
  act(Action::kAbort);  // Told nobody yet.
  const std::string whole = file_;
  reload(file_with(kListener, "", "upstream: old"));
  quiet_seconds(5);
  reload(whole);
  quiet_seconds(1);
  ASSERT_EQ(http_.asked.size(), 1U);
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"state\": \"aborted\""));
}

TEST_F(ControllerHooksTest, WhatIsMoreThanADayAgoIsNotTold) {
  boot_with(kEnds);
  act(Action::kAbort);
  power_off();
  http_.forget();
  clock_.advance(25h);
  boot();
  quiet_seconds(20);
  EXPECT_EQ(http_.asked.size(), 0U);
  act(Action::kRetry);
  quiet_seconds(1);
  ASSERT_EQ(http_.asked.size(), 1U);
  EXPECT_THAT(http_.asked[0].body, HasSubstr("\"from\": \"aborted\""));
}

TEST_F(ControllerHooksTest, AClockThatIsSetForwardMakesNoMessageOld) {
  boot_with(kEnds);
  act(Action::kStart);
  quiet_seconds(1);
  ASSERT_EQ(http_.waiting(), 1U);
  act(Action::kAbort);
  // One is being told, and one is stored behind it and not read yet.
  daemon_clock_.set(48h);
  quiet_seconds(1);
  http_.answer(503);
  quiet_seconds(10);
  ASSERT_EQ(http_.waiting(), 1U) << "tried again";
  http_.answer(200);
  quiet_seconds(6);
  ASSERT_EQ(http_.waiting(), 1U);
  EXPECT_THAT(http_.asked.back().body, HasSubstr("\"state\": \"aborted\""));
}

TEST_F(ControllerHooksTest, OneThatIsNeverTakenIsGivenUpAfterADay) {
  boot_with(kEnds);
  act(Action::kAbort);
  for (int hours = 0; hours < 26; ++hours) {
    clock_.advance(1h);
    controller_->tick();
    settle();
    if (http_.waiting() > 0) http_.answer(500);
  }
  const std::size_t told = http_.asked.size();
  quiet_seconds(600);
  EXPECT_EQ(http_.asked.size(), told);
  EXPECT_GE(told, 20U);
}

TEST_F(ControllerHooksTest, AProgramDoesAsWell) {
  boot_with("{on: [before_step], exec: [./gate.sh, a b], timeout: 7s}");
  act(Action::kStart);
  for (int i = 0; i < 60 && exec_.calls.empty(); ++i) second();
  ASSERT_EQ(exec_.calls.size(), 1U);
  EXPECT_THAT(exec_.calls[0].command, ::testing::ElementsAre("./gate.sh", "a b"));
  EXPECT_EQ(exec_.calls[0].timeout, 7s);
  EXPECT_THAT(exec_.calls[0].input, HasSubstr("before_step"));
  exec_.last(ExecResult{3, "no"});
  second();
  EXPECT_EQ(view().reason, "hook");
  EXPECT_THAT(disk_.journal().back().entry.sentence, HasSubstr("its exit code was 3"));
  for (int i = 0; i < 60 && exec_.calls.size() < 2; ++i) second();
  ASSERT_EQ(exec_.calls.size(), 2U);
  exec_.last(ExecResult{});
  second();
  EXPECT_EQ(effective(), 50);
}

TEST_F(ControllerHooksTest, ItMayGoWhileOneIsAsked) {
  boot_with(std::string(kGate) + ", " + kEnds);
  act(Action::kStart);
  quiet_seconds(1);
  ASSERT_GE(http_.waiting(), 1U);
  power_off();
  while (http_.waiting() > 0) http_.answer(200);
}

TEST(BackOffTest, DoublesUpToItsMost) {
  EXPECT_EQ(back_off(1, 1min), 1s);
  EXPECT_EQ(back_off(2, 1min), 2s);
  EXPECT_EQ(back_off(6, 1min), 32s);
  EXPECT_EQ(back_off(7, 1min), 1min);
  EXPECT_EQ(back_off(4'000'000'000U, 5min), 5min);
}

TEST(MessengerTest, WhatIsNews) {
  const auto is_news = [](std::vector<config::HookOn> on,
                          const char* from,
                          const char* to,
                          const char* event = "tick",
                          const char* cause = "accepted",
                          BasisPoints after = BasisPoints(500)) {
    config::Hook hook;
    hook.on = std::move(on);
    store::JournalEntry entry;
    entry.from = from;
    entry.to = to;
    entry.event = event;
    entry.cause = cause;
    entry.weight_before = BasisPoints(500);
    entry.weight_after = after;
    return is_news_for(hook, entry);
  };
  using config::HookOn;
  EXPECT_TRUE(is_news({HookOn::kPromoted}, "baking", "promoted"));
  EXPECT_FALSE(is_news({HookOn::kPromoted}, "progressing", "baking"));
  EXPECT_FALSE(is_news({HookOn::kBeforeStep}, "progressing", "progressing"));
  EXPECT_FALSE(is_news({HookOn::kProgressing}, "progressing", "progressing")) << "a step";
  EXPECT_TRUE(is_news({HookOn::kInconclusive}, "progressing", "held", "tick", "inconclusive"));
  EXPECT_FALSE(is_news({HookOn::kInconclusive}, "progressing", "held", "tick", "no_data"));
  EXPECT_TRUE(is_news({HookOn::kHeld}, "progressing", "held", "tick", "no_data"));
  EXPECT_TRUE(is_news({HookOn::kWaiting}, "waiting", "waiting", "tick", "freeze"));
  EXPECT_FALSE(is_news({HookOn::kWaiting}, "waiting", "waiting", "approve", "operator"));
  // Held for another reason than before.
  for (const char* reason : {"verdict", "bad_reading", "no_reading"}) {
    EXPECT_TRUE(is_news({HookOn::kHeld}, "held", "held", "tick", reason)) << reason;
  }
  EXPECT_TRUE(is_news({HookOn::kHeld}, "held", "held", "rollback", "operator", BasisPoints(450)));
  EXPECT_FALSE(is_news({HookOn::kHeld}, "held", "held", "rollback", "operator")) << "a pace";
  EXPECT_FALSE(is_news({HookOn::kHeld}, "held", "held", "tick", "returning", BasisPoints(400)));
  for (const char* reason : {"stable_down", "spill_ended", "observed"}) {
    EXPECT_FALSE(is_news({HookOn::kHeld}, "held", "held", "tick", reason)) << reason;
  }
  EXPECT_FALSE(is_news({HookOn::kHeld}, "held", "held", "new_plan", "plan_changed"));
  EXPECT_FALSE(is_news({HookOn::kInconclusive}, "held", "held", "tick", "verdict"));
}

}  // namespace
}  // namespace canaryd::control::test
