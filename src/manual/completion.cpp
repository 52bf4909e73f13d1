#include "canaryd/manual/completion.hpp"

#include <algorithm>
#include <string_view>

namespace canaryd::manual {
namespace {

constexpr std::string_view kRollout = "ROLLOUT";

std::string joined(const std::vector<std::string>& words, std::string_view between = " ") {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

// For single quotes of a shell: ' ends them, stands for itself, and begins them again.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Which daemon it is: what asks for the names of rollouts passes them on. With '|' between.
std::string daemon_options(const Program& program, std::string_view behind = "") {
  std::string out;
  for (const Option& option : program.options) {
    const std::string& name = option.names.back();
    if (name != "--addr" && name != "--token-file") continue;
    out += (out.empty() ? "" : "|") + name + std::string(behind);
  }
  return out;
}

// Those that take the next word, of all commands.
std::vector<std::string> valued_options(const Program& program) {
  std::vector<std::string> all;
  const auto collect = [&all](const std::vector<Option>& options) {
    for (const Option& option : options) {
      if (option.value.empty() || !option.names.front().starts_with('-')) continue;
      for (const std::string& name : option.names) {
        if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
      }
    }
  };
  collect(program.options);
  for (const Command& command : program.commands) collect(command.options);
  return all;
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
    return "_" + program.name + "_rollouts";
  }
  if (option.is_file() || option.names.front() == "FILE") {
    return "COMPREPLY=($(compgen -f -- \"$word\"))";
  }
  return "COMPREPLY=()";
}

// For the variables of its caller. By hand, because `compgen -W` expands what it is given, and the
// names come from somebody else's daemon.
std::string bash_rollouts(const Program& program) {
  return "_" + program.name +
         "_rollouts() {\n"
         "  local name\n"
         "  COMPREPLY=()\n"
         "  while IFS= read -r name; do\n"
         "    [[ $name == \"$word\"* ]] && COMPREPLY+=(\"$name\")\n"
         "  done < <(" +
         program.name + " \"${daemon[@]}\" completion rollouts 2>/dev/null)\n}\n";
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

// Bash cuts words at : and = as well, as in an address: what has no blank in front of it is part of
// the word before. A word that is half of another is not completed.
constexpr std::string_view kBashWords =
    "  local words=() daemon=() rest=$COMP_LINE home=$HOME/ part i\n"
    "  for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "    part=${COMP_WORDS[i]}\n"
    "    if [[ $i -gt 0 && -n $part && $rest == \"$part\"* ]]; then\n"
    "      words[-1]+=$part\n"
    "    else\n"
    "      words+=(\"$part\")\n"
    "      rest=${rest#\"${rest%%[![:space:]]*}\"}\n"
    "    fi\n"
    "    rest=${rest#\"$part\"}\n"
    "  done\n"
    "  local last=$((${#words[@]} - 1)) command= place=0\n"
    "  local word=${words[last]} before=${words[last - 1]}\n"
    "  COMPREPLY=()\n"
    "  [[ $word == \"${COMP_WORDS[COMP_CWORD]}\" ]] || return 0\n";

// What stands before the word that is typed.
std::string bash_scan(const Program& program) {
  std::string out =
      "  for ((i = 1; i < last; i++)); do\n"
      "    case ${words[i]} in\n";
  if (const std::string daemon = daemon_options(program); !daemon.empty()) {
    out += "      " + daemon +
           ") daemon+=(\"${words[i]}\" \"${words[i + 1]/#\\~\\//$home}\"); ((i++)) ;;\n" +
           "      " + daemon_options(program, "=*") + ") daemon+=(\"${words[i]}\") ;;\n";
  }
  const std::vector<std::string> valued = valued_options(program);
  if (!valued.empty()) out += "      " + joined(valued, "|") + ") ((i++)) ;;\n";
  return out +
         "      -*) ;;\n"
         "      *) if [[ -z $command ]]; then command=${words[i]}; else ((place++)); fi ;;\n"
         "    esac\n"
         "  done\n";
}

}  // namespace

std::string render_bash(const Program& program) {
  const std::string function = "_" + program.name;
  std::string out = "# bash completion of " + program.name + "; printed by `" + program.name +
                    " completion bash`\n" + bash_rollouts(program) + function + "() {\n";
  out += kBashWords;
  out += bash_scan(program) + "  case $command:$before in\n";
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

// Of the daemon that the line is for: `typed` are its words, quoted as they are.
std::string zsh_rollouts(const Program& program) {
  std::string out = "_" + program.name + "_rollouts() {\n  local -a names daemon\n";
  if (const std::string options = daemon_options(program); !options.empty()) {
    out +=
        "  local i\n"
        "  for ((i = 2; i < $#typed; i++)); do\n"
        "    case $typed[i] in\n"
        "      " +
        options +
        ") daemon+=($typed[i] ${${(Q)typed[i + 1]}/#\\~\\//$HOME/}) ;;\n"
        "      " +
        daemon_options(program, "=*") +
        ") daemon+=(${(Q)typed[i]}) ;;\n"
        "    esac\n"
        "  done\n";
  }
  return out + "  names=(${(f)\"$(" + program.name +
         " $daemon completion rollouts 2>/dev/null)\"})\n  compadd -a names\n}\n";
}

}  // namespace

std::string render_zsh(const Program& program) {
  const std::string name = "_" + program.name;
  std::string out = "#compdef " + program.name + "\n# Printed by `" + program.name +
                    " completion zsh`.\n" + zsh_rollouts(program);
  out += name +
         "() {\n  local curcontext=$curcontext state line\n  local -a commands typed\n"
         "  typed=(\"${(@)words}\")\n  commands=(\n";
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
    return " -xa '(__" + program.name + "_rollouts)'";
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

// Whether the word that is typed is in this place behind the command, from 0.
std::string fish_place(const Program& program) {
  std::string out = "function __" + program.name +
                    "_at\n"
                    "    set -l place -1\n"
                    "    set -l skip 0\n"
                    "    for word in (commandline -opc)[2..-1]\n"
                    "        if test $skip = 1\n"
                    "            set skip 0\n"
                    "            continue\n"
                    "        end\n"
                    "        switch $word\n";
  const std::vector<std::string> valued = valued_options(program);
  if (!valued.empty()) {
    out += "            case " + joined(valued) + "\n                set skip 1\n";
  }
  return out +
         "            case '-*'\n"
         "            case '*'\n"
         "                set place (math $place + 1)\n"
         "        end\n"
         "    end\n"
         "    test $place = $argv[1]\n"
         "end\n";
}

// Of the daemon that the line is for.
std::string fish_rollouts(const Program& program) {
  std::string out = "function __" + program.name + "_rollouts\n    set -l daemon\n";
  if (std::string options = daemon_options(program); !options.empty()) {
    std::replace(options.begin(), options.end(), '|', ' ');
    std::string with_value = daemon_options(program, "=*'");
    for (std::size_t at = 0; (at = with_value.find('|', at)) != std::string::npos; at += 2) {
      with_value.replace(at, 1, " '");
    }
    out +=
        "    set -l words (commandline -opc | string replace -r '^~/' \"$HOME/\")\n"
        "    for i in (seq 2 (count $words))\n"
        "        switch $words[$i]\n"
        "            case " +
        options +
        "\n"
        "                set -a daemon $words[$i] $words[(math $i + 1)]\n"
        "            case '" +
        with_value +
        "\n"
        "                set -a daemon $words[$i]\n"
        "        end\n"
        "    end\n";
  }
  return out + "    " + program.name + " $daemon completion rollouts 2>/dev/null\nend\n";
}

}  // namespace

std::string render_fish(const Program& program) {
  std::string out = "# fish completion of " + program.name + "; printed by `" + program.name +
                    " completion fish`\n" + fish_place(program) + fish_rollouts(program) +
                    "complete -c " + program.name + " -f\n";
  fish_options(out, program, "", program.options);
  for (const Command& command : program.commands) {
    out += "complete -c " + program.name + " -n __fish_use_subcommand -a " + command.name + " -d " +
           fish_quoted(command.help) + "\n";
    const std::string condition = "__fish_seen_subcommand_from " + command.name;
    fish_options(out, program, " -n '" + condition + "'", command.options);
    for (std::size_t i = 0; i < command.positionals.size(); ++i) {
      const Option& positional = command.positionals[i];
      std::string values = fish_values(program, positional);
      if (values == " -x") continue;
      if (values == " -rF") values = " -F";  // Of no option.
      const std::string place =
          positional.repeatable ? "" : "; and __" + program.name + "_at " + std::to_string(i);
      out += "complete -c " + program.name + " -n '" + condition + place + "'" + values + "\n";
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
