// Completion scripts for shells, from a program's table of commands.
//
// A value called ROLLOUT is completed by `PROGRAM completion rollouts`, which asks the daemon; FILE
// and DIR by the shell. Pure.
#pragma once

#include "canaryd/manual/program.hpp"

#include <string>

namespace canaryd::manual {

[[nodiscard]] std::string render_bash(const Program& program);
[[nodiscard]] std::string render_zsh(const Program& program);
[[nodiscard]] std::string render_fish(const Program& program);

// "bash", "zsh" or "fish"; empty for another word.
[[nodiscard]] std::string render_completion(const Program& program, const std::string& shell);

}  // namespace canaryd::manual
