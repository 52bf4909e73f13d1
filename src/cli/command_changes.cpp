// Commands that change something: actions on a rollout, votes, and what is asked of the daemon as a
// whole.
#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "cli/command.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"

#include <boost/json.hpp>

#include <istream>
#include <ostream>
#include <utility>

namespace canaryd::cli {

// {"reason": ..., NAME: VALUE}, of the options that are set.
std::string Command::body() const {
  std::string out = "{\"reason\": ";
  append_json_string(out, options_.reason);
  const auto add = [&out](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    out += ", ";
    append_json_string(out, name);
    out += ": ";
    append_json_string(out, value);
  };
  add("revision", options_.revision);
  add("gate", options_.gate);
  add("expires", options_.expires);
  add("over", options_.over);
  add("as", options_.approver);
  add("level", options_.level);
  if (options_.full) out += ", \"full\": true";
  if (options_.skip_hook) out += ", \"skip_hook\": true";
  // The command line takes 05, JSON does not.
  const auto weight = parse_percent(options_.percent);
  if (weight) out += ", \"weight\": " + format_percent(*weight);
  return out + "}";
}

// Of an action: what makes it safe to repeat, and refuses it when somebody was quicker.
std::vector<client::Header> Command::conditions() const {
  std::vector<client::Header> headers;
  if (!options_.if_match.empty()) headers.push_back({"If-Match", '"' + options_.if_match + '"'});
  if (!options_.idempotency_key.empty()) {
    headers.push_back({"Idempotency-Key", options_.idempotency_key});
  }
  return headers;
}

int Command::feedback() {
  std::string vote = "{\"cohort\": \"" + options_.cohort + "\", \"score\": " + options_.score;
  for (const auto& [name, value] : {std::pair("comment", &options_.comment),
                                    std::pair("id", &options_.id),
                                    std::pair("reason", &options_.reason)}) {
    if (value->empty()) continue;
    vote += ", \"" + std::string(name) + "\": ";
    append_json_string(vote, *value);
  }
  const auto response =
      daemon_.post(std::string(kRollouts) + "/" + options_.rollout + "/feedback", vote + "}");
  if (!response) return report(response.error());
  if (wants_json()) return print(pretty(response->body));
  const auto document = parse_json(response->body);
  const JsonView answer = document ? JsonView(*document) : JsonView();
  if (answer["counted"].flag().value_or(false)) return print(std::string("counted\n"));
  const bool repeated = answer["reason"].text() == "duplicate";
  return print(std::string(repeated ? "not counted: this id has voted already\n"
                                    : "not counted: there is nothing to compare it with now\n"));
}

// What is for everybody is not done by a slip. False when it may not be done.
Outcome<bool> Command::confirm() {
  if (options_.full) {
    return confirm("promote --full sends all traffic to the canary",
                   "Send all traffic of " + options_.rollout + " to the canary now?");
  }
  if (options_.command == "drain")
    return confirm("drain ends the daemon", "End the daemon at " + daemon_.address() + " now?");
  return true;
}

Outcome<bool> Command::confirm(const std::string& what, const std::string& question) {
  if (options_.yes) return true;
  if (!environment_.in_is_terminal) {
    return tl::unexpected(Failure{kExitUsage, what + ": confirm with --yes"});
  }
  environment_.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(environment_.in, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int Command::act() {
  const auto confirmed = confirm();
  if (!confirmed) return report(confirmed.error());
  if (!*confirmed) return report({kExitFailed, "not confirmed, nothing changed"});
  const std::string word = options_.command == "set-weight" ? "weight" : options_.command;
  const auto response = daemon_.post(
      std::string(kRollouts) + "/" + options_.rollout + "/" + word, body(), conditions());
  if (!response) return report(response.error());
  if (response->status == 202) {
    environment_.err << "canaryctl: in force, but not yet stored: the daemon's store is failing\n";
  }
  if (wants_json()) return print(pretty(response->body));
  if (options_.command == "approve") environment_.out << approval_line(response->body);
  if (options_.command == "pause") environment_.out << pause_line(response->body);
  return print(or_failure(render_line(response->body, screen())));
}

// The state may well be what it was: that it was counted is said for itself.
std::string Command::approval_line(const std::string& answer) {
  std::string line = "approved " + options_.gate;
  const auto document = parse_json(answer);
  const JsonView step = document ? JsonView(*document)["step"] : JsonView();
  const JsonView approvals = step["approvals"];
  if (step["gate"].text() == options_.gate && approvals["needed"].number().value_or(0) > 1) {
    line += ": " + format_count(static_cast<double>(approvals["given"].size())) + " of " +
            format_count(approvals["needed"].number());
  }
  return line + "\n";
}

// Nothing else of the answer says that it was taken, where the state goes before.
std::string Command::pause_line(const std::string& answer) {
  const auto document = parse_json(answer);
  const bool suspended = document && JsonView(*document)["state"].text() == "suspended";
  return suspended ? "paused: once the canary is well again, it comes back paused\n" : "";
}

// Of a reload that was made all the same.
void Command::print_warnings(const std::string& answer) {
  const auto document = parse_json(answer);
  const JsonView problems = document ? JsonView(*document)["problems"] : JsonView();
  for (std::size_t i = 0; i < problems.size(); ++i) {
    std::string line;
    append_printable(line, problem_line(problems[i]));
    environment_.err << line << '\n';
  }
}

// A program wants to know what is wrong with the file, and where, as of `check FILE -o json`.
int Command::report_problems(const Failure& failure) {
  if (!wants_json() || failure.answer.empty()) return report(failure);
  const int printed = print(pretty(failure.answer));
  return printed == kExitDone ? failure.exit_code : printed;
}

int Command::daemon_wide(const std::string& level) {
  const auto confirmed = confirm();
  if (!confirmed) return report(confirmed.error());
  if (!*confirmed) return report({kExitFailed, "not confirmed, nothing changed"});
  const auto response = daemon_.post("/api/v1/" + options_.command, body());
  if (!response) return report_problems(response.error());
  if (wants_json()) return print(pretty(response->body));
  if (!level.empty()) return print("log level " + level + "\n");
  print_warnings(response->body);
  return print(std::string(options_.command == "drain" ? "draining\n" : "reloaded\n"));
}

}  // namespace canaryd::cli
