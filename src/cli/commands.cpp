// A run of canaryctl, and the commands that change nothing.
#include "canaryd/cli/commands.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/manual/completion.hpp"
#include "cli/command.hpp"
#include "cli/config_file.hpp"
#include "cli/diagnose.hpp"
#include "cli/explain_rollout.hpp"
#include "cli/explain_route.hpp"
#include "cli/history_check.hpp"
#include "cli/history_text.hpp"
#include "cli/json_view.hpp"
#include "cli/man.hpp"
#include "cli/migration_map.hpp"
#include "cli/retire_text.hpp"
#include "cli/tap.hpp"
#include "cli/top.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <optional>
#include <ostream>
#include <utility>

namespace canaryd::cli {
namespace {

constexpr const char* kDefaultAddress = "http://127.0.0.1:9901";
constexpr std::size_t kDateLength = 10;  // "2026-01-05"

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

int Command::run() {
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

// ---- How all of them answer
// ------------------------------------------------------------------------------------------

ScreenOptions Command::screen() const {
  return {.columns = environment_.columns(),
          .color = environment_.out_is_terminal && !environment_.no_color && !options_.no_color,
          .utf8 = environment_.utf8,
          .today = format_time(environment_.clock.wall_now()).substr(0, kDateLength),
          // A row is for the cursor.
          .rows = options_.watch && environment_.out_is_terminal && !environment_.is_dumb
                      ? std::max(environment_.rows() - 1, 0)
                      : 0};
}

int Command::report(const Failure& failure) {
  environment_.err << "canaryctl: " << failure.message << '\n';
  return failure.exit_code;
}

int Command::print(const Outcome<std::string>& text) {
  if (!text) return report(text.error());
  environment_.out << *text << std::flush;
  return kExitDone;
}

Outcome<std::string> Command::or_failure(Result<std::string> text) {
  if (text) return std::move(*text);
  return tl::unexpected(Failure{kExitFailed, describe(text.error())});
}

Outcome<std::string> Command::pretty(const std::string& body) {
  const auto document = parse_json(body);
  if (!document) return tl::unexpected(Failure{kExitFailed, document.error().context});
  return pretty_json(*document);
}

// ---- Reading
// ---------------------------------------------------------------------------------------------------------

int Command::status() {
  const auto draw = [this]() -> Outcome<Frame> {
    return options_.rollout.empty() ? draw_list() : draw_rollout();
  };
  if (options_.watch) return watch(draw, environment_);
  const auto frame = draw();
  if (!frame) return report(frame.error());
  environment_.out << frame->full << std::flush;
  return kExitDone;
}

Outcome<Frame> Command::draw_list() {
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

Outcome<Frame> Command::draw_rollout() {
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

// The names of all rollouts, or the one that was asked for.
Outcome<std::vector<std::string>> Command::names() {
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

int Command::verify_history() {
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

int Command::history() {
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

Outcome<void> Command::add_rows(const std::string& rollout,
                                std::string_view part,
                                boost::json::array& rows) {
  const auto response = daemon_.get(std::string(kRollouts) + "/" + rollout + "/" +
                                    std::string(part) + "?limit=" + std::to_string(options_.limit));
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

int Command::verify(const std::string& target) {
  const std::string at = options_.at ? "?at=" + std::to_string(*options_.at) : "";
  const auto response = daemon_.get(target + "/verification" + at);
  if (!response) return report(response.error());
  const int printed = print(wants_json() ? pretty(response->body)
                                         : or_failure(render_verification(response->body)));
  if (printed != kExitDone) return printed;
  return is_same_verdict(response->body) ? kExitDone : kExitFailed;
}

int Command::check() {
  if (options_.learned) return check_file(options_, environment_, &daemon_);
  return diagnose(daemon_, wants_json(), screen(), environment_);
}

int Command::explain() {
  const std::string target = std::string(kRollouts) + "/" + options_.rollout;
  if (options_.verify) return verify(target);
  const auto rollout = daemon_.get(target);
  if (!rollout) return report(rollout.error());
  if (wants_json()) return print(pretty(rollout->body));
  const auto past = daemon_.get(target + "/history?limit=1");
  return print(or_failure(render_reasons(rollout->body, past ? past->body : std::string())));
}

int Command::dry_retirement() {
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

int Command::explain_route() {
  auto question = explain_body(options_);
  if (!question) return report({kExitUsage, question.error().context});
  const auto response = daemon_.post("/api/v1/explain", std::move(*question));
  if (!response) return report(response.error());
  return print(wants_json() ? pretty(response->body)
                            : or_failure(render_explanation(response->body)));
}

int Command::migration() {
  const auto response = daemon_.get("/api/v1/migration");
  if (!response) return report(response.error());
  return print(wants_json() ? pretty(response->body)
                            : or_failure(render_migration(response->body, screen())));
}

// A shell puts them into a command line: nothing that is no name of a rollout, whoever answers.
int Command::rollout_names() {
  const auto found = names();
  if (!found) return report(found.error());
  std::string text;
  for (const std::string& name : *found) {
    const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == name.npos;
    if (plain && !name.empty() && !name.starts_with('-')) text += name + '\n';
  }
  return print(text);
}

int Command::config() {
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

}  // namespace canaryd::cli
