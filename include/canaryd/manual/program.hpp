// What a program's command line has, as plain values, read from the parser that reads it: so its
// manual page and its completions know every command and option, and none that is not there.
// Pure, but for the parser; any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace canaryd::manual {

struct Option {
  std::vector<std::string> names;  // "-c", "--config"; a positional has one without dashes.
  std::string value;               // "FILE", "table|wide|json"; empty: a flag.
  std::string help;
  std::string default_value;  // Empty: none that is shown.
  std::string environment;    // Empty: none.
  std::vector<std::string> choices;
  bool required = false;
  bool repeatable = false;

  [[nodiscard]] bool is_file() const { return value == "FILE" || value == "DIR"; }
};

struct Command {
  std::string name;
  std::string help;
  std::vector<Option> options;
  std::vector<Option> positionals;
};

struct Program {
  std::string name;
  std::string version;
  std::string summary;  // One line, without the name.
  std::vector<Option> options;
  std::vector<Command> commands;
};

// The summary is what the parser's description has behind "name: ".
[[nodiscard]] Program describe(const CLI::App& app, std::string version);

// "promote ROLLOUT [--full]", with its choices.
[[nodiscard]] std::string synopsis(const Command& command);

// `did you mean "status"?`, after a parse that failed for a word that is no command, or no option
// of the command; empty where nothing is near.
[[nodiscard]] std::string suggestion(const CLI::App& app);

}  // namespace canaryd::manual
