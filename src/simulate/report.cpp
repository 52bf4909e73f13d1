#include "canaryd/simulate/report.hpp"

#include "canaryd/analysis/verdict.hpp"
#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <utility>

namespace canaryd::simulate {
namespace {

constexpr std::size_t kColumn = 11;

std::string padded(std::string text, std::size_t width, bool right) {
  const std::size_t missing = width - std::min(width, text.size());
  return right ? std::string(missing, ' ') + text : text + std::string(missing, ' ');
}

std::string fixed(double value, int decimals) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return {text, static_cast<std::size_t>(std::clamp(length, 0, 63))};
}

std::string duration_text(double seconds) {
  return format_duration_brief(std::chrono::seconds(std::llround(seconds)));
}

std::string count_text(double value) {
  return fixed(value, 0);
}

// One decimal, and never 0 or 100 for what is not exactly that.
std::string percent_text(double share) {
  const double percent = 100 * share;
  if (percent > 0 && percent < 0.1) return fixed(percent, 3);
  if (percent < 100 && percent > 99.9) return fixed(percent, 3);
  return fixed(percent, 1);
}

std::string latency_text(const stats::LogNormal& latency) {
  return fixed(latency.median_ms, 0) + "/" + fixed(latency.p99_ms, 0) + " ms";
}

std::string_view words(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPromoted:
      return "promoted";
    case Outcome::kRolledBack:
      return "rolled back";
    case Outcome::kHeld:
      return "held";
    case Outcome::kRunning:
      return "still running";
  }
  return "still running";
}

std::string row(std::string_view name, const std::vector<std::string>& cells) {
  std::string line = padded(std::string(name), 22, false);
  for (const std::string& cell : cells) line += padded(cell, kColumn, true);
  return line + '\n';
}

template <class Format>
std::vector<std::string> cells(const std::optional<Spread>& spread, Format format) {
  if (!spread) return {"-", "-", "-"};
  return {format(spread->p10), format(spread->median), format(spread->p90)};
}

std::string odds_rows(const Study& study) {
  std::string text = row("", {"rollouts", "odds", "at least", "at most"});
  for (const Outcome outcome : kOutcomes) {
    const Odds& odds = study.outcomes[static_cast<std::size_t>(outcome)];
    text += row(words(outcome),
                {std::to_string(odds.count),
                 percent_text(odds.share()) + " %",
                 percent_text(odds.low) + " %",
                 percent_text(odds.high) + " %"});
  }
  return text;
}

// Why, where there is more than one way.
std::string cause_rows(const Study& study) {
  std::string text;
  for (const Outcome outcome : {Outcome::kRolledBack, Outcome::kHeld}) {
    const auto& causes = study.causes[static_cast<std::size_t>(outcome)];
    if (causes.empty()) continue;
    text += std::string(words(outcome)) + " because of:";
    for (const auto& [cause, count] : causes) text += " " + cause + " " + std::to_string(count);
    text += '\n';
  }
  return text;
}

std::string time_rows(const Scenario& scenario, const Study& study) {
  std::string text = row("", {"p10", "median", "p90"});
  const auto seconds = [&study](Outcome outcome) {
    return cells(study.seconds[static_cast<std::size_t>(outcome)], duration_text);
  };
  text += row("time to promotion", seconds(Outcome::kPromoted));
  text += row("time to rollback", seconds(Outcome::kRolledBack));
  text += row("users on the canary",
              cells(study.users_exposed, [](double share) { return percent_text(share) + " %"; }));
  if (const std::uint32_t users = scenario.traffic.users; users > 0) {
    text += row("  of " + std::to_string(users), cells(study.users_exposed, [users](double share) {
                  return count_text(share * users);
                }));
  }
  text += row("canary requests", cells(study.canary_requests, count_text));
  text += row("  failed", cells(study.canary_failures, count_text));
  text += row("  failed, users saw", cells(study.user_failures, count_text));
  return text;
}

std::string step_rows(const Study& study) {
  std::string text = row("step", {"reached", "passed", "p10", "median", "p90"});
  for (std::size_t i = 0; i < study.steps.size(); ++i) {
    const StepFigures& step = study.steps[i];
    std::vector<std::string> line{std::to_string(step.reached), std::to_string(step.passed)};
    for (std::string& cell : cells(step.seconds, duration_text)) line.push_back(std::move(cell));
    text += row(std::to_string(i + 1) + "  " + format_percent(step.weight) + " %", line);
  }
  return text;
}

// ---- JSON

class JsonObject {
 public:
  JsonObject(std::string& out, int indent) : out_(out), indent_(indent) { out_ += '{'; }
  void end() {
    if (!first_) {
      --indent_;
      new_line();
    }
    out_ += '}';
  }
  std::string& key(std::string_view name) {
    if (!first_) out_ += ',';
    if (first_) ++indent_;
    first_ = false;
    new_line();
    append_json_string(out_, name);
    out_ += ": ";
    return out_;
  }
  void add(std::string_view name, double value) { append_json_number(key(name), value); }
  void add(std::string_view name, std::string_view value) { append_json_string(key(name), value); }
  void add(std::string_view name, const std::optional<Spread>& spread) {
    if (!spread) {
      key(name) += "null";
      return;
    }
    std::string& out = key(name) += "{\"p10\": ";
    append_json_number(out, spread->p10);
    append_json_number(out += ", \"median\": ", spread->median);
    append_json_number(out += ", \"p90\": ", spread->p90);
    out += '}';
  }
  [[nodiscard]] int indent() const noexcept { return indent_; }

 private:
  void new_line() {
    out_ += '\n';
    out_.append(2 * static_cast<std::size_t>(indent_), ' ');
  }
  std::string& out_;
  int indent_;
  bool first_ = true;
};

double number(std::size_t value) noexcept {
  return static_cast<double>(value);
}

void append_traffic(JsonObject& parent, const Traffic& traffic) {
  JsonObject object(parent.key("traffic"), parent.indent());
  object.add("rps", traffic.requests_per_second);
  object.add("error_rate", traffic.stable_error_rate);
  object.add("canary_error_rate", traffic.canary_error_rate);
  for (const auto& [name, latency] : {std::pair("latency", traffic.stable_latency),
                                      std::pair("canary_latency", traffic.canary_latency)}) {
    std::string& out = object.key(name) += "{\"median_ms\": ";
    append_json_number(out, latency.median_ms);
    append_json_number(out += ", \"p99_ms\": ", latency.p99_ms);
    out += '}';
  }
  object.end();
}

void append_outcomes(JsonObject& parent, const Study& study) {
  JsonObject outcomes(parent.key("outcomes"), parent.indent());
  for (const Outcome outcome : kOutcomes) {
    const auto index = static_cast<std::size_t>(outcome);
    const Odds& odds = study.outcomes[index];
    JsonObject object(outcomes.key(to_string(outcome)), outcomes.indent());
    object.add("rollouts", number(odds.count));
    object.add("odds", odds.share());
    object.add("at_least", odds.low);
    object.add("at_most", odds.high);
    object.add("seconds", study.seconds[index]);
    JsonObject causes(object.key("causes"), object.indent());
    for (const auto& [cause, count] : study.causes[index]) causes.add(cause, number(count));
    causes.end();
    object.end();
  }
  outcomes.end();
}

void append_steps(JsonObject& parent, const Study& study) {
  std::string& out = parent.key("steps") += '[';
  for (std::size_t i = 0; i < study.steps.size(); ++i) {
    if (i > 0) out += ", ";
    const StepFigures& step = study.steps[i];
    JsonObject object(out, parent.indent());
    object.add("weight", step.weight.percent());
    object.add("reached", number(step.reached));
    object.add("passed", number(step.passed));
    object.add("seconds", step.seconds);
    object.end();
  }
  out += ']';
}

}  // namespace

namespace {

std::string route_text(const Traffic& traffic) {
  const auto& route = traffic.broken_route;
  if (!route) return "";
  return "; one route, with " + analysis::format_rate(route->share) +
         " of them, errors of the canary " + analysis::format_rate(route->canary_error_rate);
}

}  // namespace

std::string describe(const Traffic& traffic) {
  char rate[32];
  std::snprintf(rate, sizeof rate, "%g", traffic.requests_per_second);
  std::string text =
      std::string(rate) + " requests/s, errors " + analysis::format_rate(traffic.stable_error_rate);
  const bool same_latency = traffic.canary_latency == traffic.stable_latency;
  if (traffic.canary_error_rate == traffic.stable_error_rate && same_latency) {
    return text + " in both versions" + route_text(traffic);
  }
  text += ", of the canary " + analysis::format_rate(traffic.canary_error_rate);
  if (same_latency) return text + route_text(traffic);
  return text + "; p50/p99 " + latency_text(traffic.stable_latency) + ", of the canary " +
         latency_text(traffic.canary_latency) + route_text(traffic);
}

std::string render_text(const Scenario& scenario, const Study& study) {
  const std::string limit = duration_text(static_cast<double>(scenario.limit_seconds));
  std::string text = scenario.plan.name + ": " + std::to_string(study.runs) +
                     " simulated rollouts of at most " + limit + ", seeds from " +
                     std::to_string(study.first_seed) + "\n" + describe(scenario.traffic) + "\n\n";
  text += odds_rows(study);
  text += cause_rows(study);
  return text + '\n' + time_rows(scenario, study) + '\n' + step_rows(study);
}

std::string render_json(const Scenario& scenario, const Study& study) {
  std::string out;
  JsonObject object(out, 0);
  object.add("rollout", scenario.plan.name);
  object.add("runs", number(study.runs));
  object.key("seed") += std::to_string(study.first_seed);
  object.add("max_seconds", static_cast<double>(scenario.limit_seconds));
  append_traffic(object, scenario.traffic);
  append_outcomes(object, study);
  object.add("users_exposed", study.users_exposed);
  object.add("canary_requests", study.canary_requests);
  object.add("canary_failures", study.canary_failures);
  object.add("user_failures", study.user_failures);
  append_steps(object, study);
  object.end();
  return out + '\n';
}

}  // namespace canaryd::simulate
