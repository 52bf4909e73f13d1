// Health checks in virtual time: servers that do what the test says, and a clock that only the test
// moves.
#pragma once

#include "canaryd/control/health_io.hpp"
#include "support/manual_clock.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace canaryd::control::test {

enum class Server { kWell, kSick, kHangs, kNotAsked };

class FakeHealthIo final : public HealthIo {
 public:
  static constexpr Duration kAnswerTime = std::chrono::milliseconds(1);

  explicit FakeHealthIo(canaryd::test::ManualClock& clock) : clock_(clock) {}

  void ask(HealthQuestion question, std::function<void(HealthAnswer)> done) override {
    using Kind = HealthAnswer::Kind;
    const std::string who = to_string(question.endpoint);
    ++asked[who];
    path = question.path;
    Duration wait = kAnswerTime;
    HealthAnswer answer;
    switch (servers[who]) {
      case Server::kWell:
        answer.kind = Kind::kGood;
        break;
      case Server::kSick:
        answer = {Kind::kBad, "status 503"};
        break;
      case Server::kHangs:
        answer = {Kind::kBad, "time-out"};
        wait = question.timeout;
        break;
      case Server::kNotAsked:
        break;
    }
    call_after(wait, [done = std::move(done), answer] { done(answer); });
  }
  void call_after(Duration wait, std::function<void()> done) override {
    due_.emplace(clock_.now() + wait, std::move(done));
  }

  // Everything that is due in this time, when it is; then the time has passed.
  void run_for(Duration time) {
    const Monotonic end = clock_.now() + time;
    while (!due_.empty() && due_.begin()->first <= end) {
      const auto next = due_.begin();
      clock_.advance(next->first - clock_.now());
      const auto call = std::move(next->second);
      due_.erase(next);
      call();
    }
    clock_.advance(end - clock_.now());
  }

  std::map<std::string, Server> servers;
  std::map<std::string, int> asked;
  std::string path;

 private:
  canaryd::test::ManualClock& clock_;
  std::multimap<Monotonic, std::function<void()>> due_;
};

}  // namespace canaryd::control::test
