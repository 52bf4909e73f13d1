// The queries of one rollout: asked again and again while it goes on, and what they say together.
//
// Nothing here waits: a question is sent with a round, and its answer counts in a later one. While
// the rollout is idle, suspended or over nobody is asked, and afterwards, as after a restart and
// with another revision, readings start anew. Thread rule: the control thread. Limit: one question
// at a time for each query.
#pragma once

#include "canaryd/analysis/verdict.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/control/http_io.hpp"
#include "canaryd/rollout/event.hpp"
#include "canaryd/rollout/state.hpp"
#include "control/reading.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::control {

// One query, for people.
struct QueryReport {
  std::string name;
  // Fail: on_failure is due. Pass: its last reading is fresh and good.
  analysis::MetricState state = analysis::MetricState::kOpen;
  std::optional<double> value;  // Of a fresh reading.
  std::optional<double> min;
  std::optional<double> max;
  std::string said;  // "is 0.031, above 0.01 (2 in a row of 3)", "has no reading: time-out".
};

struct QuerySummary {
  rollout::Readings readings = rollout::Readings::kGood;
  std::string why;  // "query refunds has no reading: ..."; of the worst, unless all are good.
  std::vector<QueryReport> reports;
};

// "query:refunds": as in the API, the events and the metrics; no metric of the analysis has a
// colon.
[[nodiscard]] std::string query_metric(const QueryReport& report);

class Queries {
 public:
  using ReadFile = std::function<Result<std::string>(const std::string& name)>;

  // Without io nobody is asked. `read_file` may be empty; the log may not be null when there is a
  // query.
  Queries(HttpIo* io, ReadFile read_file, Log* log);
  ~Queries();
  Queries(const Queries&) = delete;
  Queries& operator=(const Queries&) = delete;

  struct Standing {
    std::uint64_t attempt = 0;       // Another one with each begin of a step, at one weight too.
    bool stable_in_trouble = false;  // Down, or failing with the canary: nobody is blamed.
  };
  // Once a second: asks whom it is time to ask.
  void round(const config::Rollout& rollout,
             const rollout::State& state,
             const Standing& standing,
             Monotonic now);
  // As of the last round.
  [[nodiscard]] const QuerySummary& summary() const noexcept { return summary_; }

 private:
  struct Check;
  using CheckPointer = std::shared_ptr<Check>;

  void follow(const config::Rollout& rollout,
              const rollout::State& state,
              std::uint64_t attempt,
              Monotonic now);
  void heed_trouble(bool stable_in_trouble, Monotonic now);
  void ask(const CheckPointer& check,
           const config::Rollout& rollout,
           const rollout::State& state,
           Monotonic now);
  void tell(Check& check, const std::string& rollout, rollout::Readings level);
  void summarise(const std::string& rollout, Monotonic now);

  HttpIo* io_;
  ReadFile read_file_;
  Log* log_;
  std::vector<CheckPointer> checks_;  // In the order of the file.
  std::uint64_t run_ = 0;             // What they are asked about.
  std::uint64_t attempt_ = 0;
  BasisPoints weight_;
  bool in_trouble_ = false;
  QuerySummary summary_;
};

// query_question.cpp: what is sent, but for the authorization.
[[nodiscard]] HttpQuestion question_of(const config::Query& query,
                                       const config::Rollout& rollout,
                                       const rollout::State& state);

}  // namespace canaryd::control
