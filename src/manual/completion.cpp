#include "canaryd/manual/completion.hpp"

#include <string_view>

namespace canaryd::manual {
namespace {

constexpr std::string_view kRollout = "ROLLOUT";

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// For single quotes of a shell: ' ends them, stands for itself, and begins them again.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::vector<std::string> names_of(const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const Option& option : options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

// ---- bash

// What completes a value, as a statement.
std::string bash_values(const Program& program, const Option& option) {
  if (!option.choices.empty()) {
    return "COMPREPLY=($(compgen -W " + quoted(joined(option.choices)) + " -- \"$word\"))";
  }
  if (option.value == kRollout || option.names.front() == kRollout) {
    return "COMPREPLY=($(compgen -W \"$(" + program.name +
           " completion rollouts 2>/dev/null)\" -- \"$word\"))";
  }
  if (option.is_file() || option.names.front() == "FILE") {
    return "COMPREPLY=($(compgen -f -- \"$word\"))";
  }
  return "COMPREPLY=()";
}

void bash_options(std::string& out,
                  const Program& program,
                  const std::string& command,
                  const std::vector<Option>& options) {
  for (const Option& option : options) {
    if (option.value.empty()) continue;
    for (const std::string& name : option.names) {
      out += "    " + command + ":" + name + ") " + bash_values(program, option) + "; return ;;\n";
    }
  }
}

}  // namespace

std::string render_bash(const Program& program) {
  const std::string function = "_" + program.name;
  std::string out = "# bash completion of " + program.name + "; printed by `" + program.name +
                    " completion bash`\n" + function + "() {\n";
  out +=
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
      "  local command= place=0 i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case ${COMP_WORDS[i]} in\n";
  std::string valued;
  const auto collect = [&valued](const std::vector<Option>& options) {
    for (const Option& option : options) {
      if (option.value.empty() || !option.names.front().starts_with('-')) continue;
      for (const std::string& name : option.names) {
        const std::string item = "|" + name + "|";
        if ((valued + "|").find(item) == std::string::npos) valued += "|" + name;
      }
    }
  };
  collect(program.options);
  for (const Command& command : program.commands) collect(command.options);
  if (!valued.empty()) out += "      " + valued.substr(1) + ") ((i++)) ;;\n";
  out +=
      "      -*) ;;\n"
      "      *) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((place++)); fi ;;\n"
      "    esac\n"
      "  done\n"
      "  case $command:$before in\n";
  for (const Command& command : program.commands) {
    bash_options(out, program, command.name, command.options);
  }
  out += "  esac\n  case $before in\n";
  for (const Option& option : program.options) {
    if (option.value.empty()) continue;
    std::string names;
    for (const std::string& name : option.names) names += (names.empty() ? "" : "|") + name;
    out += "    " + names + ") " + bash_values(program, option) + "; return ;;\n";
  }
  out += "  esac\n  local options=" + quoted(joined(names_of(program.options))) + "\n";
  out += "  case $command in\n    '')\n      [[ $word == -* ]] || options=";
  std::vector<std::string> commands;
  for (const Command& command : program.commands) commands.push_back(command.name);
  out += quoted(joined(commands)) + "\n      ;;\n";
  for (const Command& command : program.commands) {
    out += "    " + command.name + ")\n      if [[ $word != -* ]]; then\n        case $place in\n";
    for (std::size_t i = 0; i < command.positionals.size(); ++i) {
      const Option& positional = command.positionals[i];
      const std::string pattern = positional.repeatable ? "*" : std::to_string(i);
      out += "          " + pattern + ") " + bash_values(program, positional) + "; return ;;\n";
    }
    out += "        esac\n      fi\n      options+=" +
           quoted(" " + joined(names_of(command.options))) + "\n      ;;\n";
  }
  out += "  esac\n  COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\n";
  return out + "complete -F " + function + " " + program.name + "\n";
}

// ---- zsh

namespace {

// Inside the brackets and behind the colons of _arguments.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const Program& program, const Option& option) {
  if (!option.choices.empty()) return "(" + joined(option.choices) + ")";
  if (option.value == kRollout || option.names.front() == kRollout) {
    return "_" + program.name + "_rollouts";
  }
  return option.is_file() || option.names.front() == "FILE" ? "_files" : " ";
}

void zsh_options(std::string& out, const Program& program, const std::vector<Option>& options) {
  for (const Option& option : options) {
    for (const std::string& name : option.names) {
      std::string spec = (option.repeatable ? "*" : "") + name + "[" + zsh_text(option.help) + "]";
      if (!option.value.empty()) {
        spec += ":" + zsh_text(option.value) + ":" + zsh_action(program, option);
      }
      out += " \\\n      " + quoted(spec);
    }
  }
}

}  // namespace

std::string render_zsh(const Program& program) {
  const std::string name = "_" + program.name;
  std::string out = "#compdef " + program.name + "\n# Printed by `" + program.name +
                    " completion zsh`.\n" + name + "_rollouts() {\n  local -a names\n" +
                    "  names=(${(f)\"$(" + program.name +
                    " completion rollouts 2>/dev/null)\"})\n" + "  compadd -a names\n}\n";
  out +=
      name + "() {\n  local curcontext=$curcontext state line\n  local -a commands\n  commands=(\n";
  for (const Command& command : program.commands) {
    std::string help;
    for (const char c : command.help) help += c == ':' ? std::string("\\:") : std::string(1, c);
    out += "    " + quoted(command.name + ":" + help) + "\n";
  }
  out += "  )\n  _arguments -C";
  zsh_options(out, program, program.options);
  out += " \\\n      '1:command:->command' '*::argument:->argument'\n  case $state in\n";
  out += "    command) _describe command commands ;;\n    argument)\n      case $line[1] in\n";
  for (const Command& command : program.commands) {
    out += "      " + command.name + ") _arguments";
    zsh_options(out, program, command.options);
    for (std::size_t i = 0; i < command.positionals.size(); ++i) {
      const Option& positional = command.positionals[i];
      const std::string place = positional.repeatable ? "*" : std::to_string(i + 1);
      out += " \\\n      " +
             quoted(place + ":" + positional.names.front() + ":" + zsh_action(program, positional));
    }
    out += " ;;\n";
  }
  out += "      esac ;;\n  esac\n}\n";
  // Found by its name in fpath it is the function itself; sourced, it says for what it is.
  return out + "if [[ $funcstack[1] == " + name + " ]]; then\n  " + name +
         " \"$@\"\nelse\n  compdef " + name + " " + program.name + "\nfi\n";
}

// ---- fish

namespace {

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_values(const Program& program, const Option& option) {
  if (!option.choices.empty()) return " -xa " + fish_quoted(joined(option.choices));
  if (option.value == kRollout || option.names.front() == kRollout) {
    return " -xa '(" + program.name + " completion rollouts 2>/dev/null)'";
  }
  return option.is_file() || option.names.front() == "FILE" ? " -rF" : " -x";
}

void fish_options(std::string& out,
                  const Program& program,
                  const std::string& condition,
                  const std::vector<Option>& options) {
  for (const Option& option : options) {
    out += "complete -c " + program.name + condition;
    for (const std::string& name : option.names) {
      out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (!option.value.empty()) out += fish_values(program, option);
    out += " -d " + fish_quoted(option.help) + "\n";
  }
}

}  // namespace

std::string render_fish(const Program& program) {
  std::string out = "# fish completion of " + program.name + "; printed by `" + program.name +
                    " completion fish`\ncomplete -c " + program.name + " -f\n";
  fish_options(out, program, "", program.options);
  for (const Command& command : program.commands) {
    out += "complete -c " + program.name + " -n __fish_use_subcommand -a " + command.name + " -d " +
           fish_quoted(command.help) + "\n";
    const std::string condition = " -n '__fish_seen_subcommand_from " + command.name + "'";
    fish_options(out, program, condition, command.options);
    for (const Option& positional : command.positionals) {
      std::string values = fish_values(program, positional);
      if (values == " -x") continue;
      if (values == " -rF") values = " -F";  // Of no option.
      out += "complete -c " + program.name + condition + values + "\n";
    }
  }
  return out;
}

std::string render_completion(const Program& program, const std::string& shell) {
  if (shell == "bash") return render_bash(program);
  if (shell == "zsh") return render_zsh(program);
  if (shell == "fish") return render_fish(program);
  return {};
}

}  // namespace canaryd::manual
