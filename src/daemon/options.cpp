#include "daemon/options.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/config/load.hpp"
#include "canaryd/simulate/study.hpp"
#include "daemon/version.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <deque>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace canaryd::daemon {
namespace {

// What several commands have, each for itself: the environment's values are filled in for the
// commands that are not called as well, and must not get the better of a flag of the one that is.
struct Flags {
  std::string config_file = CommandLine{}.config_file;
  std::vector<std::string> sets;
  std::string state_dir;
  std::string format = "text";
};

struct Raw {
  CommandLine line;
  std::deque<Flags> flags;
  const Flags* called = nullptr;
};

// A command's own flags, in force once it is called.
Flags& begin(CLI::App& command, Raw& raw, Command what) {
  Flags& flags = raw.flags.emplace_back();
  command.callback([&raw, &flags, what] {
    raw.line.command = what;
    raw.called = &flags;
  });
  return flags;
}

void add_config(CLI::App& command, Flags& flags) {
  command.add_option("-c,--config", flags.config_file, "Configuration file")
      ->type_name("FILE")
      ->envname("CANARYD_CONFIG")
      ->capture_default_str();
  command.add_option("--set", flags.sets, "Override: dotted.path=value, may be repeated")
      ->envname("CANARYD_SET")
      ->allow_extra_args(false);
}

void add_traffic(CLI::App& command, SimulateFlags& flags) {
  command.add_option("--rps", flags.rps, "Requests a second, of both versions [expected_rps]");
  command.add_option(
      "--error-rate", flags.error_rate, "Of stable, in percent [expected_error_rate, else 1]");
  command.add_option("--canary-error-rate",
                     flags.canary_error_rate,
                     "Of the canary, in percent or a multiple of stable's, such as 5x [as stable]");
  command.add_option("--latency", flags.latency, "Of stable: MEDIAN/P99 [50ms/200ms]");
  command.add_option(
      "--canary-latency",
      flags.canary_latency,
      "Of the canary: MEDIAN/P99, or a multiple of stable's, such as 1.2x [as stable]");
  command.add_option("--cold-start",
                     flags.cold_start,
                     "The canary is slow at first: LENGTH:TIMES, such as 30s:3x");
  command
      .add_option("--outage",
                  flags.outages,
                  "BEGIN+LENGTH:ERRORS[:stable|canary], such as 10m+2m:50%; may be repeated")
      ->allow_extra_args(false);
  command.add_option(
      "--bursts", flags.bursts, "Of each version: TIMES_AN_HOUR:LENGTH:ERRORS, such as 2:20s:30%");
  command.add_option("--broken-route",
                     flags.broken_route,
                     "The canary fails more there: NAME:SHARE:ERRORS, such as pay:2%:50%");
  command.add_option("--diurnal", flags.diurnal, "Swing of the load within 24 hours, in percent");
  command
      .add_option("--failures-per-user",
                  flags.failures_per_user,
                  "How often a user who fails does so in a row, a second apart, on average")
      ->capture_default_str();
  command
      .add_option(
          "--users", flags.users, "Users, who are unequally active; 0: so many that it is even")
      ->check(CLI::Range(0U, simulate::kMostUsers))
      ->capture_default_str();
  command.add_option("--covered",
                     flags.covered,
                     "Percentage of the requests that stable answers if the canary fails [0]");
}

void add_simulate(CLI::App& app, Raw& raw) {
  SimulateFlags& simulated = raw.line.simulate;
  CLI::App* const command = app.add_subcommand(
      "simulate", "A rollout of the configuration many times in virtual time: odds, times, harm");
  add_config(*command, begin(*command, raw, Command::kSimulate));
  command->add_option("--rollout", simulated.rollout, "Its name; not needed if there is only one")
      ->type_name("NAME");
  add_traffic(*command, simulated);
  command->add_option("--max-time", simulated.max_time, "Of each rollout")->capture_default_str();
  command->add_option("--runs", simulated.runs, "How many rollouts")
      ->check(CLI::Range(std::size_t{1}, simulate::kMostRuns))
      ->capture_default_str();
  command->add_option("--seed", simulated.seed, "Of the first one; the next has the next number")
      ->capture_default_str();
  command->add_option("--threads", simulated.threads, "0: one per core")
      ->check(CLI::Range(0U, simulate::kMostThreads))
      ->capture_default_str();
  command
      ->add_option("--format", simulated.format, "text, json, or svg: a picture of a typical one")
      ->check(CLI::IsMember({"text", "json", "svg"}))
      ->capture_default_str();
}

void add_format(CLI::App& command, Flags& flags) {
  command.add_option("--format", flags.format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

void add_replay(CLI::App& app, Raw& raw) {
  CLI::App* const replay = app.add_subcommand(
      "replay", "Recorded traffic through the engine: what would the verdict be");
  Flags& flags = begin(*replay, raw, Command::kReplay);
  add_config(*replay, flags);
  add_format(*replay, flags);
  replay
      ->add_option("--rollout",
                   raw.line.replay.rollout,
                   "Whose plan and analysis; needed if the file has several")
      ->type_name("NAME");
  replay->add_flag("--lenient", raw.line.replay.lenient, "Skip and count malformed lines");
  replay
      ->add_option("FILE",
                   raw.line.replay.files,
                   "CSV or JSON access logs, in order of time; - is the standard input")
      ->required()
      ->type_name("FILE");
}

void add_convert(CLI::App& app, Raw& raw) {
  ConvertOptions& options = raw.line.convert;
  CLI::App* const convert = app.add_subcommand(
      "convert", "A configuration from another tool's file; says what could not be carried over");
  convert->add_option("--from", options.from, "Whose file it is")
      ->required()
      ->check(CLI::IsMember({"argo", "flagger", "nginx"}));
  convert->add_option("--listen", options.listen, "Address of the listener")->capture_default_str();
  convert->add_option("FILE", options.file, "- is the standard input")
      ->required()
      ->type_name("FILE");
  begin(*convert, raw, Command::kConvert);
}

void add_verify(CLI::App& app, Raw& raw) {
  VerifyOptions& options = raw.line.verify;
  CLI::App* const verify = app.add_subcommand(
      "verify", "Check the history of a daemon that is down; 1 unless its chain is unbroken");
  verify->add_option("--state-dir", options.state_dir, "Where its state is")
      ->type_name("DIR")
      ->envname("CANARYD_STATE_DIR")
      ->capture_default_str();
  verify->add_option("--head", options.head, "What an earlier check said")->type_name("ID:HASH");
  add_format(*verify, begin(*verify, raw, Command::kVerify));
}

void add_format_command(CLI::App& app, Raw& raw) {
  CLI::App* const fmt =
      app.add_subcommand("fmt", "Print a configuration in its canonical form, with its comments");
  fmt->add_flag("-w,--write", raw.line.write_back, "Into the file, instead of printing it");
  fmt->add_option("FILE", raw.line.format_file, "Configuration file")
      ->required()
      ->type_name("FILE");
  begin(*fmt, raw, Command::kFormat);
}

void add_documents(CLI::App& app, Raw& raw) {
  CLI::App* const completion = app.add_subcommand("completion", "Print completions for a shell");
  completion->add_option("SHELL", raw.line.shell, "Which")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  begin(*completion, raw, Command::kCompletion);
  CLI::App* const man = app.add_subcommand("man", "Print a manual page, for man -l -");
  man->add_option("PAGE", raw.line.page, "Which")
      ->check(CLI::IsMember({"canaryd", "canaryd.yaml"}));
  begin(*man, raw, Command::kMan);
}

void add_quick(CLI::App& app, Raw& raw) {
  CLI::App* const quick =
      app.add_subcommand("quick", "A rollout between two addresses, without a file");
  Flags& flags = begin(*quick, raw, Command::kQuick);
  quick->add_option("--stable", raw.line.stable, "IP:port of the stable version")->required();
  quick->add_option("--canary", raw.line.canary, "IP:port of the canary")->required();
  quick->add_option("--listen", raw.line.listen, "Address to listen on")->capture_default_str();
  quick->add_option("--steps", raw.line.steps, "Weights in percent, such as 1,5,10,25,100")
      ->delimiter(',');
  quick->add_option("--state-dir", flags.state_dir, "Where to keep the journal")
      ->type_name("DIR")
      ->envname("CANARYD_STATE_DIR");
  quick->add_option("--set", flags.sets, "Override: dotted.path=value, may be repeated")
      ->allow_extra_args(false);
}

void add_commands(CLI::App& app, Raw& raw) {
  CLI::App* const run = app.add_subcommand("run", "Run the daemon in the foreground");
  Flags& of_run = begin(*run, raw, Command::kRun);
  add_config(*run, of_run);
  run->add_option("--state-dir", of_run.state_dir, "Instead of state.dir in the file")
      ->type_name("DIR")
      ->envname("CANARYD_STATE_DIR");

  CLI::App* const validate = app.add_subcommand("validate", "Check a configuration; binds nothing");
  Flags& of_validate = begin(*validate, raw, Command::kValidate);
  add_config(*validate, of_validate);
  add_format(*validate, of_validate);
  validate->add_flag("--strict", raw.line.strict, "Warnings are errors");

  add_quick(app, raw);

  CLI::App* const schema =
      app.add_subcommand("schema", "Print the JSON Schema of the configuration");
  begin(*schema, raw, Command::kSchema);

  CLI::App* const dump =
      app.add_subcommand("config-dump", "Print the configuration with every default filled in");
  add_config(*dump, begin(*dump, raw, Command::kConfigDump));

  add_simulate(app, raw);
  add_replay(app, raw);
  add_convert(app, raw);
  add_verify(app, raw);
  add_format_command(app, raw);
  add_documents(app, raw);
}

void add_all(CLI::App& app, Raw& raw) {
  app.set_version_flag("--version", std::string("canaryd ") + kVersion);
  app.require_subcommand(1);
  add_commands(app, raw);
}

// Prints help, version or what is wrong. CLI11 asks for a subcommand also where there is a word
// that is none.
int report(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> left = app.remaining();
  const bool unknown = error.get_exit_code() != 0 && app.get_subcommands().empty() &&
                       !left.empty() && !left.front().starts_with('-');
  std::ostringstream out;
  std::ostringstream err;
  const int code = app.exit(error, out, err);
  std::string text = err.str();
  if (unknown) {
    text = "There is no command ";
    append_json_string(text, left.front());
    text += "\nRun with --help for more information.\n";
  }
  const std::string meant = code == 0 ? std::string() : manual::suggestion(app);
  if (!meant.empty()) text.insert(std::min(text.find('\n'), text.size()), ": " + meant);
  std::cout << out.str() << std::flush;
  std::cerr << text;
  return code;
}

constexpr const char* kDescription =
    "canaryd: a reverse proxy that moves traffic to a new version step by step, and back when it "
    "is bad";

}  // namespace

manual::Program describe_program() {
  CLI::App app{kDescription, "canaryd"};
  Raw raw;
  add_all(app, raw);
  return manual::describe(app, kVersion);
}

Parsed parse_command_line(int argc, const char* const* argv) {
  CLI::App app{kDescription};
  Raw raw;
  add_all(app, raw);
  Parsed parsed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = report(app, error);
    parsed.exit_code = code == 0 ? kExitDone : kExitUsage;
    return parsed;
  }
  const Flags& flags = *raw.called;
  raw.line.config_file = flags.config_file;
  raw.line.json = flags.format == "json";
  for (const std::string& text : flags.sets) {
    auto pair = config::split_override(text);
    if (!pair) {
      std::cerr << "canaryd: --set " << text << ": expected path=value\n";
      parsed.exit_code = kExitUsage;
      return parsed;
    }
    raw.line.overrides.push_back(std::move(*pair));
  }
  if (raw.line.command == Command::kQuick) {
    raw.line.state_dir = flags.state_dir;
  } else if (!flags.state_dir.empty()) {
    raw.line.overrides.emplace_back("state.dir", flags.state_dir);
  }
  parsed.line = std::move(raw.line);
  return parsed;
}

}  // namespace canaryd::daemon
