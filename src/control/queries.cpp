#include "control/queries.hpp"

#include "canaryd/base/units.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace canaryd::control {
namespace {

using rollout::Phase;
using rollout::Readings;

constexpr LogEvent kQueryEvent{"control", "query"};
constexpr std::size_t kSecretBytesMax = 8192;

// Where a reading can keep a step, hold it, or end it.
bool asks_in(Phase phase) noexcept {
  return phase == Phase::kProgressing || phase == Phase::kWaiting || phase == Phase::kPaused ||
         phase == Phase::kHeld || phase == Phase::kBaking;
}

analysis::MetricState state_of(Readings level) noexcept {
  if (level == Readings::kGood) return analysis::MetricState::kPass;
  const bool fails = level == Readings::kBad || level == Readings::kRollback;
  return fails ? analysis::MetricState::kFail : analysis::MetricState::kOpen;
}

// Behind the query's name: "is 0.031, above 0.01 (2 in a row of 3)".
std::string said(const ReadingRow& row, const config::Query& rule, Monotonic now) {
  const Reading* const reading = row.fresh(now, rule);
  if (reading == nullptr) {
    if (row.failure().empty()) return "has no reading yet";
    return "has had no reading for " + format_duration_brief(row.silence(now)) + ": " +
           row.failure();
  }
  std::string text = reading->value ? "is " + format_value(*reading->value) : "says yes";
  if (reading->kind == Reading::Kind::kBad) {
    text = reading->value ? text + ", " + reading->why : "says no (" + reading->why + ")";
    text += row.bad_in_a_row() == 0
                ? std::string(" (stable was in trouble then: it does not count)")
                : " (" + std::to_string(row.bad_in_a_row()) + " in a row of " +
                      std::to_string(rule.failures) + ")";
  }
  if (!row.failure().empty()) text += "; its last answer is none: " + row.failure();
  return text;
}

Result<std::string> secret_of(const Queries::ReadFile& read_file, const std::string& name) {
  if (!read_file) return fail(ErrorCode::kIo, "authorization_file cannot be read");
  auto text = read_file(name);
  if (!text) {
    return fail(ErrorCode::kIo, "authorization_file cannot be read: " + text.error().context);
  }
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  const bool one_line = std::all_of(text->begin(), text->end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  if (text->empty() || text->size() > kSecretBytesMax || !one_line) {
    return fail(ErrorCode::kIo, "authorization_file is not one line of text");
  }
  return text;
}

}  // namespace

// Callbacks hold it weakly: who is not a query any more is not listened to any more.
struct Queries::Check {
  Check(const config::Query& rule_in, Monotonic now) : rule(rule_in), row(now), due(now) {}

  void take(const Result<client::Response>& response, Monotonic asked) {
    asking = false;
    if (!response) return row.take(read_failure(response.error()), asked, rule);
    row.take(
        rule.webhook ? read_webhook(*response) : read_prometheus(*response, rule), asked, rule);
  }

  config::Query rule;
  ReadingRow row;
  Monotonic due;
  bool asking = false;
  Readings told = Readings::kOpen;
};

std::string query_metric(const QueryReport& report) {
  return "query:" + report.name;
}

Queries::Queries(HttpIo* io, ReadFile read_file, Log* log)
    : io_(io), read_file_(std::move(read_file)), log_(log) {}

Queries::~Queries() = default;

void Queries::round(const config::Rollout& rollout,
                    const rollout::State& state,
                    const Standing& standing,
                    Monotonic now) {
  follow(rollout, state, standing.attempt, now);
  heed_trouble(standing.stable_in_trouble, now);
  if (asks_in(state.phase)) {
    for (const CheckPointer& check : checks_) ask(check, rollout, state, now);
  }
  summarise(rollout.name, now);
}

// One check for each query of the configuration: the same, as long as nothing about it changes.
void Queries::follow(const config::Rollout& rollout,
                     const rollout::State& state,
                     std::uint64_t attempt,
                     Monotonic now) {
  if (!asks_in(state.phase) || state.run != run_) checks_.clear();
  const bool another_step = attempt != attempt_ || state.weight != weight_;
  run_ = state.run;
  attempt_ = attempt;
  weight_ = state.weight;
  std::vector<CheckPointer> next;
  for (const config::Query& query : rollout.queries) {
    const auto same = std::find_if(checks_.begin(), checks_.end(), [&](const CheckPointer& check) {
      return check->rule == query;
    });
    if (same == checks_.end()) {
      next.push_back(std::make_shared<Check>(query, now));
      continue;
    }
    if (another_step) {
      (*same)->row.begin_step(now);
      (*same)->due = now;
    }
    next.push_back(*same);
  }
  checks_ = std::move(next);
}

// When it is over they are asked at once: whatever waits for a good reading needs a new one.
void Queries::heed_trouble(bool stable_in_trouble, Monotonic now) {
  for (const CheckPointer& check : checks_) {
    if (stable_in_trouble) check->row.excuse(now);
    if (in_trouble_ && !stable_in_trouble) check->due = now;
  }
  in_trouble_ = stable_in_trouble;
}

void Queries::ask(const CheckPointer& check,
                  const config::Rollout& rollout,
                  const rollout::State& state,
                  Monotonic now) {
  if (io_ == nullptr || check->asking || now < check->due) return;
  const config::Query& rule = check->rule;
  check->due = now + rule.interval;
  HttpQuestion question = question_of(rule, rollout, state);
  if (rule.authorization_file) {
    auto secret = secret_of(read_file_, *rule.authorization_file);
    if (!secret) return check->row.take(read_failure(secret.error()), now, rule);
    question.headers.push_back({"Authorization", std::move(*secret)});
  }
  check->asking = true;
  auto done = [weak = std::weak_ptr(check), now](const Result<client::Response>& response) {
    if (const CheckPointer same = weak.lock()) same->take(response, now);
  };
  io_->ask(std::move(question), std::move(done));
}

void Queries::summarise(const std::string& rollout, Monotonic now) {
  summary_ = {};
  for (const CheckPointer& check : checks_) {
    const config::Query& rule = check->rule;
    const Readings level = check->row.level(now, rule);
    QueryReport report;
    report.name = rule.name;
    report.state = state_of(level);
    report.min = rule.min;
    report.max = rule.max;
    report.said = said(check->row, rule, now);
    if (const Reading* const reading = check->row.fresh(now, rule)) report.value = reading->value;
    if (level > summary_.readings) {
      summary_.readings = level;
      summary_.why = "query " + rule.name + " " + report.said;
    }
    summary_.reports.push_back(std::move(report));
    tell(*check, rollout, level);
  }
}

// Once for each change that somebody may have to do something about, and once when it is over.
void Queries::tell(Check& check, const std::string& rollout, Readings level) {
  if (level == Readings::kOpen || level == check.told) return;
  const bool first = check.told == Readings::kOpen;
  check.told = level;
  if (first && level == Readings::kGood) return;
  const std::string text =
      "query " + check.rule.name + " of " + rollout + " " + summary_.reports.back().said;
  const std::initializer_list<LogField> fields{{"rollout", rollout}, {"query", check.rule.name}};
  if (level == Readings::kGood) {
    log_->info(kQueryEvent, text, fields);
  } else {
    log_->warn(kQueryEvent, text, fields);
  }
}

}  // namespace canaryd::control
