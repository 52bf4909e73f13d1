#include "daemon/options.hpp"

#include "canaryd/config/load.hpp"
#include "canaryd/simulate/study.hpp"
#include "daemon/version.hpp"

#include <CLI/CLI.hpp>

#include <iostream>

namespace canaryd::daemon {
namespace {

struct Raw {
  CommandLine line;
  std::vector<std::string> sets;
  std::string state_dir;
  std::string format = "text";
};

void add_config(CLI::App& command, Raw& raw) {
  command.add_option("-c,--config", raw.line.config_file, "Configuration file")
      ->type_name("FILE")
      ->envname("CANARYD_CONFIG")
      ->capture_default_str();
  command.add_option("--set", raw.sets, "Override: dotted.path=value, may be repeated")
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
  SimulateFlags& flags = raw.line.simulate;
  CLI::App* const command = app.add_subcommand(
      "simulate", "A rollout of the configuration many times in virtual time: odds, times, harm");
  add_config(*command, raw);
  command->add_option("--rollout", flags.rollout, "Its name; not needed if there is only one")
      ->type_name("NAME");
  add_traffic(*command, flags);
  command->add_option("--max-time", flags.max_time, "Of each rollout")->capture_default_str();
  command->add_option("--runs", flags.runs, "How many rollouts")
      ->check(CLI::Range(std::size_t{1}, simulate::kMostRuns))
      ->capture_default_str();
  command->add_option("--seed", flags.seed, "Of the first one; the next has the next number")
      ->capture_default_str();
  command->add_option("--threads", flags.threads, "0: one per core")
      ->check(CLI::Range(0U, simulate::kMostThreads))
      ->capture_default_str();
  command->add_option("--format", flags.format, "text, json, or svg: a picture of a typical one")
      ->check(CLI::IsMember({"text", "json", "svg"}))
      ->capture_default_str();
  command->callback([&raw] { raw.line.command = Command::kSimulate; });
}

void add_format(CLI::App& command, Raw& raw) {
  command.add_option("--format", raw.format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

void add_replay(CLI::App& app, Raw& raw) {
  CLI::App* const replay = app.add_subcommand(
      "replay", "Recorded traffic through the engine: what would the verdict be");
  add_config(*replay, raw);
  add_format(*replay, raw);
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
  replay->callback([&raw] { raw.line.command = Command::kReplay; });
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
  convert->callback([&raw] { raw.line.command = Command::kConvert; });
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
  add_format(*verify, raw);
  verify->callback([&raw] { raw.line.command = Command::kVerify; });
}

void add_format_command(CLI::App& app, Raw& raw) {
  CLI::App* const fmt =
      app.add_subcommand("fmt", "Print a configuration in its canonical form, with its comments");
  fmt->add_flag("-w,--write", raw.line.write_back, "Into the file, instead of printing it");
  fmt->add_option("FILE", raw.line.format_file, "Configuration file")
      ->required()
      ->type_name("FILE");
  fmt->callback([&raw] { raw.line.command = Command::kFormat; });
}

void add_documents(CLI::App& app, Raw& raw) {
  CLI::App* const completion = app.add_subcommand("completion", "Print completions for a shell");
  completion->add_option("SHELL", raw.line.shell, "Which")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&raw] { raw.line.command = Command::kCompletion; });
  CLI::App* const man = app.add_subcommand("man", "Print a manual page, for man -l -");
  man->add_option("PAGE", raw.line.page, "Which")
      ->check(CLI::IsMember({"canaryd", "canaryd.yaml"}));
  man->callback([&raw] { raw.line.command = Command::kMan; });
}

void add_commands(CLI::App& app, Raw& raw) {
  CLI::App* const run = app.add_subcommand("run", "Run the daemon in the foreground");
  add_config(*run, raw);
  run->add_option("--state-dir", raw.state_dir, "Instead of state.dir in the file")
      ->type_name("DIR")
      ->envname("CANARYD_STATE_DIR");
  run->callback([&raw] { raw.line.command = Command::kRun; });

  CLI::App* const validate = app.add_subcommand("validate", "Check a configuration; binds nothing");
  add_config(*validate, raw);
  add_format(*validate, raw);
  validate->add_flag("--strict", raw.line.strict, "Warnings are errors");
  validate->callback([&raw] { raw.line.command = Command::kValidate; });

  CLI::App* const quick =
      app.add_subcommand("quick", "A rollout between two addresses, without a file");
  quick->add_option("--stable", raw.line.stable, "host:port of the stable version")->required();
  quick->add_option("--canary", raw.line.canary, "host:port of the canary")->required();
  quick->add_option("--listen", raw.line.listen, "Address to listen on")->capture_default_str();
  quick->add_option("--steps", raw.line.steps, "Weights in percent, such as 1,5,10,25,100")
      ->delimiter(',');
  quick->add_option("--state-dir", raw.state_dir, "Where to keep the journal")
      ->type_name("DIR")
      ->envname("CANARYD_STATE_DIR");
  quick->add_option("--set", raw.sets, "Override: dotted.path=value, may be repeated")
      ->allow_extra_args(false);
  quick->callback([&raw] { raw.line.command = Command::kQuick; });

  CLI::App* const schema =
      app.add_subcommand("schema", "Print the JSON Schema of the configuration");
  schema->callback([&raw] { raw.line.command = Command::kSchema; });

  CLI::App* const dump =
      app.add_subcommand("config-dump", "Print the configuration with every default filled in");
  add_config(*dump, raw);
  dump->callback([&raw] { raw.line.command = Command::kConfigDump; });

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
    // Prints help, version or what is wrong.
    const int code = app.exit(error);
    parsed.exit_code = code == 0 ? kExitDone : kExitUsage;
    return parsed;
  }
  raw.line.json = raw.format == "json";
  for (const std::string& text : raw.sets) {
    auto pair = config::split_override(text);
    if (!pair) {
      std::cerr << "canaryd: --set " << text << ": expected path=value\n";
      parsed.exit_code = kExitUsage;
      return parsed;
    }
    raw.line.overrides.push_back(std::move(*pair));
  }
  if (raw.line.command == Command::kQuick) {
    raw.line.state_dir = raw.state_dir;
  } else if (!raw.state_dir.empty()) {
    raw.line.overrides.emplace_back("state.dir", raw.state_dir);
  }
  parsed.line = std::move(raw.line);
  return parsed;
}

}  // namespace canaryd::daemon
