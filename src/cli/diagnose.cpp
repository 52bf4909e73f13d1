#include "cli/diagnose.hpp"

#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"
#include "cli/retire_text.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <ostream>
#include <string>
#include <vector>

namespace canaryd::cli {
namespace {

enum class Grade { kGood, kWarning, kBad };

struct Finding {
  Grade grade = Grade::kGood;
  std::string about;   // "upstream v2"
  std::string fact;    // "1 of 2 endpoints is in use"
  std::string advice;  // Empty for what is good.
};

const char* word_of(Grade grade) {
  switch (grade) {
    case Grade::kGood:
      return "ok";
    case Grade::kWarning:
      return "warning";
    case Grade::kBad:
      break;
  }
  return "error";
}

// The value of a metric without labels; nothing if it is not there.
std::optional<double> metric(std::string_view text, std::string_view name) {
  const std::string start = "\n" + std::string(name) + " ";
  const std::size_t at = text.find(start);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + start.size());
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

Finding look_at_reload(std::string_view metrics) {
  if (metric(metrics, "canaryd_config_last_reload_successful") == 0.0) {
    return {Grade::kBad,
            "configuration",
            "the last reload failed; the one before it is in force",
            "canaryctl check FILE says what is wrong; then canaryctl reload"};
  }
  return {Grade::kGood, "configuration", "in force", ""};
}

void look_at_logs(std::string_view metrics, std::vector<Finding>& findings) {
  const auto dropped = metric(metrics, "canaryd_log_dropped_total");
  if (dropped.value_or(0) <= 0) return;
  findings.push_back({Grade::kWarning,
                      "log",
                      format_count(dropped) + " lines were dropped because the log was too slow",
                      "look at the disk behind log.file, or lower log.access.sample"});
}

Finding look_at_upstream(JsonView upstream) {
  const JsonView endpoints = upstream["endpoints"];
  std::size_t usable = 0;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    const bool healthy = endpoints[i]["healthy"].flag().value_or(true);
    if (healthy && !endpoints[i]["ejected"].flag().value_or(false)) ++usable;
  }
  Finding finding{
      Grade::kGood,
      "upstream " + upstream["name"].text(),
      std::to_string(usable) + " of " + std::to_string(endpoints.size()) + " endpoints in use",
      ""};
  if (const std::string error = upstream["source_error"].text(); !error.empty()) {
    finding.grade = Grade::kWarning;
    finding.fact += "; " + upstream["source"].text() + ": " + error;
    finding.advice = "the last good endpoints stay in use until that works again";
  }
  if (usable == endpoints.size() && usable > 0) return finding;
  finding.grade = usable == 0 ? Grade::kBad : Grade::kWarning;
  finding.advice = "see whether they answer, and their health_check";
  return finding;
}

// What keeps one from beginning by itself that should have begun. What has its time, such as a
// freeze or the rollout before it, and reads that are still compared, are nothing to look at.
std::string obstacle_of(JsonView rollout) {
  const std::string next = rollout["next"].text();
  const auto says = [&next](std::string_view words) {
    return next.find(words) != std::string::npos;
  };
  if (!next.starts_with("starts by itself ")) return {};
  const bool unhealthy = says(" is healthy") || says(" are healthy");
  const bool refused = says("; the last answer: ");
  return unhealthy || refused ? next : std::string();
}

// What an operator can do about a state; empty: nothing is wrong with it.
std::string advice_for(JsonView rollout) {
  const std::string state = rollout["state"].text();
  const std::string name = rollout["name"].text();
  if (state == "idle") return obstacle_of(rollout);
  const bool stays = state == "held" || state == "paused";
  if (stays && rollout["condemned"].flag().value_or(false)) {
    return "it was found worse: canaryctl retry, rollback or abort " + name;
  }
  if (state == "held" && rollout["reason"].text() == "returning") {
    return "it goes back to stable by itself; canaryctl rollback " + name + " does so at once";
  }
  if (state == "held" || state == "suspended") {
    return "canaryctl explain " + name + " says what is missing";
  }
  if (state == "waiting") return "canaryctl status " + name + " says for whom or what";
  if (state == "rolled_back") {
    return "canaryctl explain " + name + " says why; canaryctl retry " + name + " begins again";
  }
  if (state == "aborted") return "canaryctl retry " + name + " begins again";
  return {};
}

// Where it has ended, and everybody is on the canary, that may be the next stable version; of
// another one, as after an abort, that would send everybody to what was given up.
std::string advice_for_postponed(JsonView rollout) {
  if (rollout["journal_failing"].flag().value_or(false)) {
    return "see \"journal\" below; it begins by itself once that can be written";
  }
  const std::string state = rollout["state"].text();
  const std::string go_on =
      "to go on from " + rollout["canary"].text() + ", name that as stable and reload";
  if (state == "retiring" || state == "retired") return go_on;
  if (state == "promoted" || state == "suspended") {
    return "see whether " + rollout["stable"].text() + " answers; " + go_on;
  }
  return "it begins by itself; canaryctl status " + rollout["name"].text() + " says when it has";
}

Finding look_at_rollout(JsonView rollout) {
  const std::string name = rollout["name"].text();
  const std::string reason = rollout["reason"].text();
  Finding finding{Grade::kGood, "rollout " + name, state_text(rollout["state"].text()), ""};
  if (!reason.empty()) finding.fact += ", " + reason;
  finding.fact += ", weight " + format_share(rollout["weight"]["target"].number()) + " %";
  finding.advice = advice_for(rollout);
  if (reason == "parity" && rollout["parity"]["state"].text() == "different") {
    finding.fact += "; the versions answer reads otherwise";
    finding.advice = "canaryctl explain " + name + " says in which fields";
  }
  if (rollout["weight"]["sample_ratio_ok"].flag() == false) {
    finding.fact += "; the canary's share of the requests is not what the weight says";
    finding.advice += std::string(finding.advice.empty() ? "" : "; ") +
                      "look at cohort.keys: few users, or many requests of one user?";
  }
  if (const std::string postponed = rollout["postponed"].text(); !postponed.empty()) {
    finding.fact += "; " + postponed;
    finding.advice = advice_for_postponed(rollout);
  }
  if (const std::string stuck = unfinished_retirement(rollout); !stuck.empty()) {
    finding.advice = stuck + (finding.advice.empty() ? "" : "; " + finding.advice);
  }
  if (!finding.advice.empty()) finding.grade = Grade::kWarning;
  return finding;
}

template <class Look>
void look_at_each(const client::Response& response, std::vector<Finding>& findings, Look look) {
  const auto document = parse_json(response.body);
  const JsonView items = document ? JsonView(*document)["items"] : JsonView();
  for (std::size_t i = 0; i < items.size(); ++i) findings.push_back(look(items[i]));
}

// What is in force and not on disk would be forgotten by a restart.
void look_at_journal(const client::Response& response, std::vector<Finding>& findings) {
  const auto document = parse_json(response.body);
  const JsonView items = document ? JsonView(*document)["items"] : JsonView();
  std::string names;
  bool failing = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool this_one = items[i]["journal_failing"].flag().value_or(false);
    failing = failing || this_one;
    // What is on its way to the disk, and only for a moment, is no trouble.
    if (!this_one || items[i]["durable"].flag().value_or(true)) continue;
    names += (names.empty() ? "" : ", ") + items[i]["name"].text();
  }
  if (!failing) return;
  findings.push_back({Grade::kBad,
                      "journal",
                      names.empty()
                          ? "it cannot be written: no weight rises until it can"
                          : "it cannot be written: what has become of " + names + " is not on disk",
                      "do what store_failed in the daemon's log says, as a rule to free space in "
                      "state.dir; else do not restart the daemon before its log says "
                      "store_recovered"});
}

Outcome<std::vector<Finding>> look(const Daemon& daemon) {
  std::vector<Finding> findings;
  const auto build = daemon.get("/api/v1/build");
  if (!build) return tl::unexpected(build.error());
  const auto version = parse_json(build->body);
  findings.push_back(
      {Grade::kGood,
       "daemon",
       "canaryd " + (version ? JsonView(*version)["version"].text() : "") + " answers",
       ""});
  const auto ready = daemon.get("/readyz");
  if (!ready && ready.error().exit_code != kExitFailed) return tl::unexpected(ready.error());
  findings.push_back(
      ready ? Finding{Grade::kGood, "ready", "takes requests", ""}
            : Finding{Grade::kBad,
                      "ready",
                      "it is not: still starting, or draining",
                      "its log says which; a daemon that drains has to be started again"});
  const auto metrics = daemon.get("/metrics");
  if (!metrics) return tl::unexpected(metrics.error());
  findings.push_back(look_at_reload(metrics->body));
  look_at_logs(metrics->body, findings);
  const auto upstreams = daemon.get("/api/v1/upstreams");
  if (!upstreams) return tl::unexpected(upstreams.error());
  look_at_each(*upstreams, findings, look_at_upstream);
  const auto rollouts = daemon.get("/api/v1/rollouts");
  if (!rollouts) return tl::unexpected(rollouts.error());
  look_at_each(*rollouts, findings, look_at_rollout);
  look_at_journal(*rollouts, findings);
  return findings;
}

void print(const Finding& finding, const ScreenOptions& screen, std::ostream& out) {
  const bool good = finding.grade == Grade::kGood;
  const Style style = good                           ? Style::kGood
                      : finding.grade == Grade::kBad ? Style::kBad
                                                     : Style::kWarn;
  const char* const symbol = good ? "✔" : finding.grade == Grade::kBad ? "✖" : "⚠";
  ScreenOptions whole = screen;
  whole.columns = 100000;  // Advice is no table: a terminal may wrap it.
  Line line;
  line.add_left(screen.utf8 ? symbol : word_of(finding.grade), screen.utf8 ? 2 : 9, style);
  line.add(finding.about, Style::kBold).add(": " + finding.fact);
  out << line.finish(whole);
  if (good || finding.advice.empty()) return;
  out << Line().add("    ").add(finding.advice, Style::kDim).finish(whole);
}

}  // namespace

int diagnose(const Daemon& daemon,
             bool json,
             const ScreenOptions& screen,
             Environment& environment) {
  const auto findings = look(daemon);
  if (!findings) {
    environment.err << "canaryctl: " << findings.error().message << '\n';
    return findings.error().exit_code;
  }
  int exit_code = kExitDone;
  boost::json::array rows;
  for (const Finding& finding : *findings) {
    if (finding.grade == Grade::kBad) exit_code = kExitFailed;
    if (!json) print(finding, screen, environment.out);
    rows.push_back({{"grade", word_of(finding.grade)},
                    {"about", finding.about},
                    {"fact", finding.fact},
                    {"advice", finding.advice}});
  }
  if (json) environment.out << pretty_json(boost::json::object{{"items", std::move(rows)}});
  environment.out << std::flush;
  return exit_code;
}

}  // namespace canaryd::cli
