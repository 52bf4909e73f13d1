// What is wrong with a configuration, in the form that editors jump to (docs/interfaces.md section
// 2). Pure.
#pragma once

#include "canaryd/config/feasibility.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

enum class Severity : std::uint8_t { kError, kWarning };

struct Problem {
  Severity severity = Severity::kError;
  std::string file;          // File name as given, or the override: "--set workers".
  std::uint32_t line = 0;    // From 1; 0: the place is unknown (a whole file, an override).
  std::uint32_t column = 0;  // From 1, in characters.
  std::uint32_t length = 1;  // Characters to underline.
  std::string message;       // "unknown key \"wieght\" in rollouts.checkout.steps[1]"
  std::string hint;          // "did you mean \"weight\"?", or empty.
  std::string source_line;   // For the excerpt; empty without a place.
  friend bool operator==(const Problem&, const Problem&) = default;
};

[[nodiscard]] std::size_t count_errors(const std::vector<Problem>& problems) noexcept;

// Each problem with its excerpt, then "2 problems (1 error) in canaryd.yaml"; empty text for no
// problems.
[[nodiscard]] std::string render_problems_text(const std::vector<Problem>& problems,
                                               std::string_view file_name);

// {"file": ..., "valid": bool, "errors": N, "problems": [{file, line, column, severity, message,
// hint}], "feasibility": [...]}, one line.
[[nodiscard]] std::string render_problems_json(const std::vector<Problem>& problems,
                                               std::string_view file_name,
                                               const std::vector<RolloutForecast>& forecasts = {});

}  // namespace canaryd::config
