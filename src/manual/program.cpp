#include "canaryd/manual/program.hpp"

#include "canaryd/base/suggest.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace canaryd::manual {
namespace {

// "TEXT:{bash,zsh,fish}" has three.
std::vector<std::string> choices_of(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t begin = type.find('{');
  if (begin == std::string::npos || type.back() != '}') return choices;
  std::string word;
  for (std::size_t i = begin + 1; i < type.size(); ++i) {
    if (type[i] != ',' && type[i] != '}') {
      word += type[i];
      continue;
    }
    choices.push_back(std::exchange(word, {}));
  }
  return choices;
}

std::string in_capitals(const std::string& name) {
  std::string out = name.substr(name.find_first_not_of('-'));
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return out;
}

std::string value_of(const Option& option, const std::string& type) {
  if (!option.choices.empty()) {
    std::string out;
    for (const std::string& choice : option.choices) out += (out.empty() ? "" : "|") + choice;
    return out;
  }
  const std::string plain = type.substr(0, type.find(':'));
  if (plain == "TEXT") return in_capitals(option.names.back());
  return plain == "UINT" || plain == "INT" || plain == "FLOAT" ? "N" : plain;
}

Option describe(const CLI::Option& option) {
  Option out;
  const bool positional = option.get_positional();
  if (positional) {
    out.names.push_back(option.get_name(true));
  } else {
    for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  }
  out.help = option.get_description();
  out.environment = option.get_envname();
  out.required = option.get_required();
  out.repeatable = option.get_items_expected_max() > 1;
  if (option.get_items_expected_max() == 0) return out;  // A flag.
  const std::string type = option.get_type_name();
  out.choices = choices_of(type);
  out.value = value_of(out, type);
  out.default_value = option.get_default_str();
  if (out.default_value == "\"\"" || out.default_value == "[]") out.default_value.clear();
  return out;
}

void add_options(const CLI::App& app, std::vector<Option>& options, std::vector<Option>* others) {
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_group().empty()) continue;  // Hidden.
    if (option->get_positional() && others != nullptr) {
      others->push_back(describe(*option));
    } else {
      options.push_back(describe(*option));
    }
  }
}

}  // namespace

Program describe(const CLI::App& app, std::string version) {
  Program program;
  program.version = std::move(version);
  const std::string description = app.get_description();
  const std::size_t colon = description.find(": ");
  program.name = description.substr(0, colon);
  program.summary = colon == std::string::npos ? "" : description.substr(colon + 2);
  add_options(app, program.options, nullptr);
  for (const CLI::App* const subcommand :
       app.get_subcommands([](const CLI::App*) { return true; })) {
    Command& command = program.commands.emplace_back();
    command.name = subcommand->get_name();
    command.help = subcommand->get_description();
    add_options(*subcommand, command.options, &command.positionals);
  }
  return program;
}

std::string synopsis(const Command& command) {
  std::string out = command.name;
  for (const Option& positional : command.positionals) {
    const std::string word =
        (positional.choices.empty() ? positional.names.front() : positional.value) +
        (positional.repeatable ? "..." : "");
    out += positional.required ? " " + word : " [" + word + "]";
  }
  for (const Option& option : command.options) {
    const std::string& name = option.names.back();
    if (name == "--help") continue;
    const std::string word = name + (option.value.empty() ? "" : " " + option.value);
    out += option.required ? " " + word : " [" + word + "]";
  }
  return out;
}

std::string suggestion(const CLI::App& app) {
  const std::vector<std::string> left = app.remaining(true);
  const std::vector<CLI::App*> called = app.get_subcommands();
  std::vector<std::string> known;
  std::string word;
  if (called.empty() && !left.empty() && !left.front().starts_with('-')) {
    word = left.front();
    for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; }))
      known.push_back(each->get_name());
  } else {
    const auto unknown = std::find_if(
        left.begin(), left.end(), [](const std::string& each) { return each.starts_with("--"); });
    if (unknown == left.end()) return {};
    word = unknown->substr(0, unknown->find('='));
    for (const CLI::App* each : {&app, called.empty() ? &app : called.front()}) {
      for (const CLI::Option* option : each->get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
      }
    }
    // Those of the program may stand in both.
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
  }
  return did_you_mean(word, {known.begin(), known.end()});
}

}  // namespace canaryd::manual
