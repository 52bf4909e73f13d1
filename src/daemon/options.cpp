#include "daemon/options.hpp"

#include "canaryd/config/load.hpp"
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
      ->envname("CANARYD_CONFIG")
      ->capture_default_str();
  command.add_option("--set", raw.sets, "Override: dotted.path=value, may be repeated")
      ->envname("CANARYD_SET")
      ->allow_extra_args(false);
}

void add_commands(CLI::App& app, Raw& raw) {
  CLI::App* const run = app.add_subcommand("run", "Run the daemon in the foreground");
  add_config(*run, raw);
  run->add_option("--state-dir", raw.state_dir, "Instead of state.dir in the file")
      ->envname("CANARYD_STATE_DIR");
  run->callback([&raw] { raw.line.command = Command::kRun; });

  CLI::App* const validate = app.add_subcommand("validate", "Check a configuration; binds nothing");
  add_config(*validate, raw);
  validate->add_option("--format", raw.format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
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
}

}  // namespace

Parsed parse_command_line(int argc, const char* const* argv) {
  CLI::App app{
      "canaryd: a reverse proxy that moves traffic to a new version step by step, and back when it "
      "is bad"};
  app.set_version_flag("--version", std::string("canaryd ") + kVersion);
  app.require_subcommand(1);
  Raw raw;
  add_commands(app, raw);
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
