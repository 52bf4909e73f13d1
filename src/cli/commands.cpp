#include "canaryd/cli/commands.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/cli/status_screen.hpp"
#include "canaryd/manual/completion.hpp"
#include "cli/config_file.hpp"
#include "cli/daemon.hpp"
#include "cli/diagnose.hpp"
#include "cli/explain_rollout.hpp"
#include "cli/explain_route.hpp"
#include "cli/figures.hpp"
#include "cli/follow.hpp"
#include "cli/history_check.hpp"
#include "cli/history_text.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"
#include "cli/man.hpp"
#include "cli/migration_map.hpp"
#include "cli/options.hpp"
#include "cli/retire_text.hpp"
#include "cli/tap.hpp"
#include "cli/top.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <istream>
#include <optional>
#include <ostream>
#include <utility>

namespace canaryd::cli {
namespace {

constexpr const char* kDefaultAddress = "http://127.0.0.1:9901";
constexpr const char* kRollouts = "/api/v1/rollouts";
constexpr std::size_t kDateLength = 10;  // "2026-01-05"

// One run of one command.
class Command {
 public:
  Command(const Options& options, Daemon daemon, Environment& environment)
      : options_(options), daemon_(std::move(daemon)), environment_(environment) {}

  int run() {
    const bool follows = options_.command == "wait" || options_.command == "top" ||
                         options_.command == "tap" || options_.watch;
    if (follows) daemon_.give_up_when(environment_.interrupted);
    if (options_.command == "status") return status();
    if (options_.command == "wait") return wait_for_outcome(daemon_, options_, environment_);
    if (options_.command == "history") return history();
    if (options_.command == "top") return run_top(daemon_, wants_json(), screen(), environment_);
    if (options_.command == "tap") return run_tap(daemon_, options_, screen(), environment_);
    if (options_.command == "explain") return explain();
    if (options_.command == "explain-route") return explain_route();
    if (options_.command == "migration") return migration();
    if (options_.command == "config") return config();
    if (options_.command == "check") return check();
    if (options_.command == "diff") return diff_file(daemon_, options_, environment_);
    if (options_.command == "completion") return rollout_names();
    if (options_.command == "reload" || options_.command == "drain") return daemon_wide("");
    if (options_.command == "log-level") return daemon_wide(options_.level);
    if (options_.command == "feedback") return feedback();
    if (options_.dry_run) return dry_retirement();
    return act();
  }

 private:
  [[nodiscard]] ScreenOptions screen() const {
    return {.columns = environment_.columns(),
            .color = environment_.out_is_terminal && !environment_.no_color && !options_.no_color,
            .utf8 = environment_.utf8,
            .today = format_time(environment_.clock.wall_now()).substr(0, kDateLength),
            // A row is for the cursor.
            .rows = options_.watch && environment_.out_is_terminal && !environment_.is_dumb
                        ? std::max(environment_.rows() - 1, 0)
                        : 0};
  }
  [[nodiscard]] bool wants_json() const { return options_.output == "json"; }

  int report(const Failure& failure) {
    environment_.err << "canaryctl: " << failure.message << '\n';
    return failure.exit_code;
  }
  int print(const Outcome<std::string>& text) {
    if (!text) return report(text.error());
    environment_.out << *text << std::flush;
    return kExitDone;
  }
  static Outcome<std::string> or_failure(Result<std::string> text) {
    if (text) return std::move(*text);
    return tl::unexpected(Failure{kExitFailed, describe(text.error())});
  }

  // ---- Reading
  // -----------------------------------------------------------------------------------------------------

  int status() {
    const auto draw = [this]() -> Outcome<Frame> {
      return options_.rollout.empty() ? draw_list() : draw_rollout();
    };
    if (options_.watch) return watch(draw, environment_);
    const auto frame = draw();
    if (!frame) return report(frame.error());
    environment_.out << frame->full << std::flush;
    return kExitDone;
  }

  Outcome<Frame> draw_list() {
    const auto response = daemon_.get(kRollouts);
    if (!response) return tl::unexpected(response.error());
    const bool json = wants_json();
    const bool wide = options_.output == "wide";
    const auto text =
        json ? pretty(response->body) : or_failure(render_list(response->body, wide, screen()));
    if (!text) return tl::unexpected(text.error());
    const auto lines = json ? text : or_failure(render_lines(response->body, screen()));
    if (!lines) return tl::unexpected(lines.error());
    return Frame{*text, *lines, json};
  }

  Outcome<Frame> draw_rollout() {
    const std::string target = std::string(kRollouts) + "/" + options_.rollout;
    const auto rollout = daemon_.get(target);
    if (!rollout) return tl::unexpected(rollout.error());
    const auto line = or_failure(render_line(rollout->body, screen()));
    if (!line) return tl::unexpected(line.error());
    if (wants_json()) {
      const auto text = pretty(rollout->body);
      if (!text) return tl::unexpected(text.error());
      return Frame{*text, *text, true};
    }
    // A screen without its history is better than none.
    const auto past = daemon_.get(target + "/history?limit=5");
    const auto text =
        or_failure(render_rollout(rollout->body, past ? past->body : std::string(), screen()));
    if (!text) return tl::unexpected(text.error());
    return Frame{*text, *line};
  }

  Outcome<std::string> pretty(const std::string& body) {
    const auto document = parse_json(body);
    if (!document) return tl::unexpected(Failure{kExitFailed, document.error().context});
    return pretty_json(*document);
  }

  // The names of all rollouts, or the one that was asked for.
  Outcome<std::vector<std::string>> names() {
    if (!options_.rollout.empty()) return std::vector<std::string>{options_.rollout};
    const auto response = daemon_.get(kRollouts);
    if (!response) return tl::unexpected(response.error());
    const auto document = parse_json(response->body);
    std::vector<std::string> found;
    if (!document) return found;
    const JsonView items = JsonView(*document)["items"];
    for (std::size_t i = 0; i < items.size(); ++i) found.push_back(items[i]["name"].text());
    return found;
  }

  int verify_history() {
    std::string target = "/api/v1/history/verification";
    char before = '?';
    for (const auto& [name, value] :
         {std::pair("rollout", &options_.rollout), std::pair("head", &options_.head)}) {
      if (value->empty()) continue;
      target += before + std::string(name) + "=" + *value;
      before = '&';
    }
    const auto response = daemon_.get(target);
    if (!response) return report(response.error());
    const int printed =
        print(wants_json() ? pretty(response->body)
                           : or_failure(render_history_check(response->body, options_.rollout)));
    if (printed != kExitDone) return printed;
    return is_whole(response->body) ? kExitDone : kExitFailed;
  }

  int history() {
    if (options_.verify) return verify_history();
    const auto rollouts = names();
    if (!rollouts) return report(rollouts.error());
    boost::json::array rows;
    for (const std::string& name : *rollouts) {
      for (const std::string_view part : {"history", "comments"}) {
        if (const auto added = add_rows(name, part, rows); !added) return report(added.error());
      }
    }
    sort_history(rows);
    if (wants_json()) {
      boost::json::object body;
      body["items"] = std::move(rows);
      return print(pretty_json(body));
    }
    return print(render_history(rows, options_.output == "wide", screen()));
  }

  Outcome<void> add_rows(const std::string& rollout,
                         std::string_view part,
                         boost::json::array& rows) {
    const auto response =
        daemon_.get(std::string(kRollouts) + "/" + rollout + "/" + std::string(part) +
                    "?limit=" + std::to_string(options_.limit));
    if (!response) return tl::unexpected(response.error());
    auto document = parse_json(response->body);
    boost::json::object* const body = document ? document->if_object() : nullptr;
    boost::json::value* const items = body != nullptr ? body->if_contains("items") : nullptr;
    if (items == nullptr || !items->is_array()) {
      return tl::unexpected(Failure{kExitFailed, "the answer is not a history"});
    }
    for (boost::json::value& row : items->get_array()) rows.push_back(std::move(row));
    return {};
  }

  int verify(const std::string& target) {
    const std::string at = options_.at ? "?at=" + std::to_string(*options_.at) : "";
    const auto response = daemon_.get(target + "/verification" + at);
    if (!response) return report(response.error());
    const int printed = print(wants_json() ? pretty(response->body)
                                           : or_failure(render_verification(response->body)));
    if (printed != kExitDone) return printed;
    return is_same_verdict(response->body) ? kExitDone : kExitFailed;
  }

  int check() {
    if (options_.learned) return check_file(options_, environment_, &daemon_);
    return diagnose(daemon_, wants_json(), screen(), environment_);
  }

  int explain() {
    const std::string target = std::string(kRollouts) + "/" + options_.rollout;
    if (options_.verify) return verify(target);
    const auto rollout = daemon_.get(target);
    if (!rollout) return report(rollout.error());
    if (wants_json()) return print(pretty(rollout->body));
    const auto past = daemon_.get(target + "/history?limit=1");
    return print(or_failure(render_reasons(rollout->body, past ? past->body : std::string())));
  }

  int dry_retirement() {
    const auto rollout = daemon_.get(std::string(kRollouts) + "/" + options_.rollout);
    if (!rollout) return report(rollout.error());
    const auto document = parse_json(rollout->body);
    if (!document) return report({kExitFailed, "the answer is not a rollout"});
    const RetireReport found = report_retirement(JsonView(*document));
    const int printed =
        print(wants_json() ? pretty(rollout->body) : Outcome<std::string>(found.text));
    if (printed != kExitDone) return printed;
    return found.blocked ? kExitRefused : kExitDone;
  }

  int explain_route() {
    auto question = explain_body(options_);
    if (!question) return report({kExitUsage, question.error().context});
    const auto response = daemon_.post("/api/v1/explain", std::move(*question));
    if (!response) return report(response.error());
    return print(wants_json() ? pretty(response->body)
                              : or_failure(render_explanation(response->body)));
  }

  int migration() {
    const auto response = daemon_.get("/api/v1/migration");
    if (!response) return report(response.error());
    return print(wants_json() ? pretty(response->body)
                              : or_failure(render_migration(response->body, screen())));
  }

  int rollout_names() {
    const auto found = names();
    if (!found) return report(found.error());
    std::string text;
    for (const std::string& name : *found) {
      append_printable(text, name);
      text += '\n';
    }
    return print(text);
  }

  int config() {
    const auto response = daemon_.get("/api/v1/config");
    if (!response) return report(response.error());
    if (wants_json()) return print(pretty_json({{"config", response->body}}));
    std::string text;
    for (std::size_t begin = 0; begin < response->body.size();) {
      const std::size_t end = std::min(response->body.find('\n', begin), response->body.size());
      append_printable(text, std::string_view(response->body).substr(begin, end - begin));
      text += '\n';
      begin = end + 1;
    }
    return print(text);
  }

  // ---- Changing
  // ----------------------------------------------------------------------------------------------------

  // {"reason": ..., NAME: VALUE}, of the options that are set.
  [[nodiscard]] std::string body() const {
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
  [[nodiscard]] std::vector<client::Header> conditions() const {
    std::vector<client::Header> headers;
    if (!options_.if_match.empty()) headers.push_back({"If-Match", '"' + options_.if_match + '"'});
    if (!options_.idempotency_key.empty()) {
      headers.push_back({"Idempotency-Key", options_.idempotency_key});
    }
    return headers;
  }

  int feedback() {
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

  // False when it may not be done.
  Outcome<bool> confirm_full_promotion() {
    if (!options_.full || options_.yes) return true;
    if (!environment_.in_is_terminal) {
      return tl::unexpected(Failure{
          kExitUsage, "promote --full sends all traffic to the canary: confirm with --yes"});
    }
    environment_.err << "Send all traffic of " << options_.rollout << " to the canary now? [y/N] "
                     << std::flush;
    std::string answer;
    std::getline(environment_.in, answer);
    return answer == "y" || answer == "Y" || answer == "yes";
  }

  int act() {
    const auto confirmed = confirm_full_promotion();
    if (!confirmed) return report(confirmed.error());
    if (!*confirmed) return report({kExitFailed, "not confirmed, nothing changed"});
    const std::string word = options_.command == "set-weight" ? "weight" : options_.command;
    const auto response = daemon_.post(
        std::string(kRollouts) + "/" + options_.rollout + "/" + word, body(), conditions());
    if (!response) return report(response.error());
    if (response->status == 202) {
      environment_.err
          << "canaryctl: in force, but not yet stored: the daemon's store is failing\n";
    }
    if (wants_json()) return print(pretty(response->body));
    if (options_.command == "approve") environment_.out << approval_line(response->body);
    return print(or_failure(render_line(response->body, screen())));
  }

  // The state may well be what it was: that it was counted is said for itself.
  std::string approval_line(const std::string& answer) {
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

  // Of a reload that was made all the same.
  void print_warnings(const std::string& answer) {
    const auto document = parse_json(answer);
    const JsonView problems = document ? JsonView(*document)["problems"] : JsonView();
    for (std::size_t i = 0; i < problems.size(); ++i) {
      std::string line;
      append_printable(line, problem_line(problems[i]));
      environment_.err << line << '\n';
    }
  }

  // A program wants to know what is wrong with the file, and where, as of `check FILE -o json`.
  int report_problems(const Failure& failure) {
    if (!wants_json() || failure.answer.empty()) return report(failure);
    const int printed = print(pretty(failure.answer));
    return printed == kExitDone ? failure.exit_code : printed;
  }

  int daemon_wide(const std::string& level) {
    const auto response = daemon_.post("/api/v1/" + options_.command, body());
    if (!response) return report_problems(response.error());
    if (wants_json()) return print(pretty(response->body));
    if (!level.empty()) return print("log level " + level + "\n");
    print_warnings(response->body);
    return print(std::string(options_.command == "drain" ? "draining\n" : "reloaded\n"));
  }

  const Options& options_;
  Daemon daemon_;
  Environment& environment_;
};

// What needs no daemon.
std::optional<int> run_here(const Options& options, Environment& environment) {
  const bool reads_file = options.command == "check" && !options.file.empty();
  if (reads_file && !options.learned) return check_file(options, environment);
  if (options.command == "man") {
    environment.out << man_page() << std::flush;
    return kExitDone;
  }
  if (options.command != "completion" || options.shell == "rollouts") return std::nullopt;
  environment.out << manual::render_completion(describe_program(), options.shell) << std::flush;
  return kExitDone;
}

std::string address_of(const Options& options, const Environment& environment) {
  if (!options.address.empty()) return options.address;
  return environment.address.empty() ? kDefaultAddress : environment.address;
}

}  // namespace

int run(const std::vector<std::string>& arguments, Environment& environment) {
  const ParsedOptions parsed = parse_options(arguments);
  if (!parsed.options) {
    (parsed.exit_code == kExitDone ? environment.out : environment.err) << parsed.text;
    return parsed.exit_code;
  }
  const Options& options = *parsed.options;
  if (const auto done = run_here(options, environment)) return *done;
  const std::string& token_file =
      options.token_file.empty() ? environment.token_file : options.token_file;
  auto daemon = Daemon::at(address_of(options, environment), token_file);
  if (!daemon) {
    environment.err << "canaryctl: " << daemon.error().message << '\n';
    return daemon.error().exit_code;
  }
  return Command(options, std::move(*daemon), environment).run();
}

}  // namespace canaryd::cli
