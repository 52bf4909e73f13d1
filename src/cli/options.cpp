#include "cli/options.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/cli/commands.hpp"
#include "canaryd/config/load.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <sstream>

namespace canaryd::cli {
namespace {

bool is_name(const std::string& text) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 63 && letter_or_digit(text.front()) &&
         letter_or_digit(text.back()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return letter_or_digit(c) || c == '-';
         });
}

// A name becomes part of a path: what is not one ends here.
std::string check_name(const std::string& text) {
  return is_name(text) ? "" : "a name has small letters, digits and '-', at most 63";
}

// An empty one is mostly a variable of a script that was not set.
std::string check_given(const std::string& text) {
  return text.empty() ? "must not be empty" : "";
}

std::string check_duration(const std::string& text) {
  const auto parsed = parse_duration(text);
  return parsed ? "" : parsed.error().context;
}

// What it is, the daemon says; here only that it can be part of a target.
std::string check_head(const std::string& text) {
  const bool good =
      !text.empty() && text.find_first_not_of("0123456789abcdef:") == std::string::npos;
  return good ? "" : "expected ID:HASH";
}

std::string check_generation(const std::string& text) {
  const bool good = !text.empty() && text.size() <= 19 &&
                    text.find_first_not_of("0123456789") == std::string::npos;
  return good ? "" : "expected a generation, as status -o json says it";
}

std::string check_key(const std::string& text) {
  const bool good =
      !text.empty() && text.size() <= 255 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  return good ? std::string() : "must have 1 to 255 visible characters";
}

std::string check_override(const std::string& text) {
  return config::split_override(text) ? "" : "expected path=value";
}

std::string check_percent(const std::string& text) {
  const auto parsed = parse_percent(text);
  if (parsed) return "";
  return parsed.error().context + (text.ends_with('%') ? ": leave the % sign out" : "");
}

class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.set_version_flag("--version", std::string("canaryctl ") + CANARYD_VERSION);
    app_.add_option(
        "--addr", options_.address, "Admin API: http://HOST:PORT or unix:PATH (CANARYD_ADDR)");
    app_.add_option(
        "--token-file", options_.token_file, "File with the token to show (CANARYD_TOKEN_FILE)");
    app_.add_option("-o,--output", options_.output, "table, wide or json")
        ->check(CLI::IsMember({"table", "wide", "json"}));
    app_.add_option("--reason", options_.reason, "Why, for the audit log");
    app_.add_flag("--yes", options_.yes, "Do not ask");
    app_.add_flag("--no-color", options_.no_color, "No colours (also NO_COLOR)");
    add_reading();
    add_actions();
    add_configuration();
    add_daemon();
    add_documents();
  }

  [[nodiscard]] manual::Program describe() const { return manual::describe(app_, CANARYD_VERSION); }

  ParsedOptions parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back.
    ParsedOptions result;
    try {
      app_.parse(arguments);
      options_.command = app_.get_subcommands().front()->get_name();
      if (!timeout_.empty()) options_.timeout = parse_duration(timeout_).value();
      result.options = options_;
    } catch (const CLI::ParseError& error) {
      std::ostringstream out;
      std::ostringstream err;
      result.exit_code = app_.exit(error, out, err) == 0 ? kExitDone : kExitUsage;
      result.text = out.str() + err.str();
      if (result.exit_code != kExitDone) {
        result.text = unknown_command().value_or(result.text);
        add_suggestion(result.text);
      }
    }
    return result;
  }

 private:
  // Behind what is wrong.
  void add_suggestion(std::string& text) const {
    const std::string meant = manual::suggestion(app_);
    if (!meant.empty()) text.insert(std::min(text.find('\n'), text.size()), ": " + meant);
  }

  // CLI11 asks for a subcommand also where there is a word that is none.
  [[nodiscard]] std::optional<std::string> unknown_command() const {
    if (!app_.get_subcommands().empty()) return std::nullopt;
    const std::vector<std::string> left = app_.remaining();
    if (left.empty() || left.front().starts_with('-')) return std::nullopt;
    std::string text = "There is no command ";
    append_json_string(text, left.front());
    return text + "\nRun with --help for more information.\n";
  }

  CLI::App* with_rollout(const std::string& name, const std::string& help) {
    CLI::App* const command = app_.add_subcommand(name, help);
    command->add_option("ROLLOUT", options_.rollout, "Its name")->required()->check(check_name);
    return command;
  }

  void add_reading() {
    CLI::App* const status = app_.add_subcommand("status", "One line per rollout, or one in full");
    status->add_option("ROLLOUT", options_.rollout, "Its name")->check(check_name);
    status->add_flag("-w,--watch", options_.watch, "Keep it on the screen");

    CLI::App* const wait = with_rollout(
        "wait", "Wait for an outcome: 0 reached, 10 rolled back, 11 aborted, 12 stopped");
    wait->add_option("--for", options_.target, "promoted, retired or stopped")
        ->required()
        ->check(CLI::IsMember({"promoted", "retired", "stopped"}));
    wait->add_option("--timeout", timeout_, "Give up after, for example, 30m (exit code 8)")
        ->check(check_duration);

    CLI::App* const history = app_.add_subcommand("history", "The audit log");
    history->add_option("ROLLOUT", options_.rollout, "Its name")->check(check_name);
    history->add_option("--limit", options_.limit, "Newest lines per rollout")
        ->check(CLI::Range(1, 1000));
    CLI::Option* const chain = history->add_flag(
        "--verify", options_.verify, "Check the chain of all its entries; 1 unless it is unbroken");
    history->add_option("--head", options_.head, "What an earlier check said: ID:HASH")
        ->needs(chain)
        ->check(check_head);
    CLI::App* const explain =
        with_rollout("explain", "The figures behind its verdict, and how much is missing");
    CLI::Option* const verify = explain->add_flag(
        "--verify", options_.verify, "Compute a recorded verdict again; 1 unless it is the same");
    explain->add_option("--at", options_.at, "Which: an id of history -o wide; else the last one")
        ->needs(verify);
    add_explain_route();
    app_.add_subcommand("top", "Requests of each route and cohort, live");
    CLI::App* const tap = app_.add_subcommand("tap", "Requests as they finish, a sample of them");
    tap->add_option("--cohort", options_.cohort, "Only stable, canary or none (no rollout)")
        ->check(CLI::IsMember({"stable", "canary", "none"}));
    tap->add_option("--route", options_.route, "Only of this route")->check(check_name);
    tap->add_flag("--errors", options_.errors, "Only errors: an error of the proxy, or a 5xx");
    tap->add_flag_callback(
        "--json", [this] { options_.output = "json"; }, "One JSON object a line, as -o json");
    app_.add_subcommand("migration", "What has moved to new upstreams, route by route");
  }

  CLI::App* with_file(const std::string& name, const std::string& help, bool required) {
    CLI::App* const command = app_.add_subcommand(name, help);
    command->add_option("FILE", options_.file, "A configuration on this machine")
        ->required(required)
        ->type_name("FILE");
    command->add_option("--set", options_.sets, "Override: dotted.path=value, as of canaryd run")
        ->allow_extra_args(false)
        ->check(check_override);
    return command;
  }

  void add_configuration() {
    app_.add_subcommand("config",
                        "The running configuration with every default; secrets are masked");
    CLI::App* const check =
        with_file("check", "What is wrong with the daemon, or with a file, and what to do", false);
    check
        ->add_flag("--learned",
                   options_.learned,
                   "Judge the file's plans by the traffic that the daemon has seen")
        ->needs(check->get_option("FILE"));
    with_file("diff", "What a reload with this file would change; changes nothing", true);
  }

  void add_documents() {
    CLI::App* const completion =
        app_.add_subcommand("completion", "Print completions for a shell, or what they ask for");
    completion->add_option("SHELL", options_.shell, "rollouts: their names, one a line")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish", "rollouts"}));
    app_.add_subcommand("man", "Print the manual page, for man -l -");
  }

  void add_explain_route() {
    CLI::App* const explain = app_.add_subcommand(
        "explain-route", "Which route, cohort and upstream a request gets, and why");
    explain->add_option("METHOD", options_.method, "Such as GET")->required();
    explain->add_option("URL", options_.url, "/path?query, or http://host/path")->required();
    explain->add_option("-H,--header", options_.headers, "'Name: value'; may be repeated")
        ->allow_extra_args(false);
    explain->add_option("--listener", options_.listener, "Where it comes in; else the first one");
    explain->add_option("--client", options_.client, "Its address; else 127.0.0.1");
  }

  CLI::App* action(const std::string& name, const std::string& help) {
    CLI::App* const command = with_rollout(name, help);
    command->add_option("--if-match", options_.if_match, "Only at this generation; else exit 6")
        ->check(check_generation);
    command
        ->add_option("--idempotency-key",
                     options_.idempotency_key,
                     "With the same one again it is not done twice, while the daemon runs")
        ->check(check_key);
    return command;
  }

  void add_actions() {
    action("start", "Begin")
        ->add_option("--revision", options_.revision, "What is released")
        ->check(check_given);
    action("retry", "Begin again: rolled back, aborted, or held after a bad verdict");
    action("promote", "Next step now")
        ->add_flag("--full", options_.full, "100 % now (asks; --yes)");
    action("pause", "Hold the weight; a bad verdict still does what on_failure says");
    action("resume", "Go on");
    action("abort", "Weight 0, state aborted");
    action("rollback", "Weight 0, state rolled_back: on record as a bad version")
        ->add_option("--over", options_.over, "For a cold stable: a tenth at a time, in 10s to 1d")
        ->check(check_duration);
    action("set-weight", "Set the canary's share and pause there")
        ->add_option("PERCENT", options_.percent, "0 to 100, at most two decimals")
        ->required()
        ->check(check_percent);
    CLI::App* const retire = action("retire", "Give up its old version, once it is idle");
    retire->add_flag("--dry-run", options_.dry_run, "Only say what blocks it: 6 if something does");
    retire->add_flag(
        "--skip-hook", options_.skip_hook, "Take a hook that failed, or may have run, as done");
    action("unretire", "Bring the old version back, inside the undo window");
    CLI::App* const approve = action("approve", "Open a gate");
    approve->add_option("GATE", options_.gate, "Its name")->required()->check(check_name);
    approve->add_option("--expires", options_.expires, "Close it again after, for example, 2h")
        ->check(check_duration);
    approve->add_option("--as", options_.approver, "Your name, for a gate that several people open")
        ->check(check_given);
    add_feedback();
  }

  void add_feedback() {
    CLI::App* const feedback = with_rollout("feedback", "Enter what a user thinks of a version");
    feedback->add_option("--cohort", options_.cohort, "stable or canary")
        ->required()
        ->check(CLI::IsMember({"stable", "canary"}));
    feedback->add_option("--score", options_.score, "1 (bad) to 5 (good)")
        ->required()
        ->check(CLI::IsMember({"1", "2", "3", "4", "5"}));
    feedback->add_option("--comment", options_.comment, "In the user's words, at most 500 bytes");
    feedback->add_option("--id", options_.id, "Who it is, such as the sticky key: one vote each");
  }

  void add_daemon() {
    app_.add_subcommand("reload", "Read the configuration again");
    app_.add_subcommand(
        "drain", "End the daemon: not ready, then finish what has begun, as SIGTERM (asks; --yes)");
    app_.add_subcommand("log-level", "Change what is logged")
        ->add_option("LEVEL", options_.level, "trace, debug, info, warn, error or off")
        ->required()
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}));
  }

  CLI::App app_{"canaryctl: watch and steer the rollouts of a canaryd", "canaryctl"};
  Options options_;
  std::string timeout_;
};

}  // namespace

ParsedOptions parse_options(const std::vector<std::string>& arguments) {
  return CommandLine().parse(arguments);
}

manual::Program describe_program() {
  return CommandLine().describe();
}

}  // namespace canaryd::cli
