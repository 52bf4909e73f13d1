// Figures and words of the screens: percentages, latencies, states.
#pragma once

#include "cli/json_view.hpp"
#include "cli/line.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace canaryd::cli {

// "-" for what is not known; never longer than 9 columns for values that occur.
[[nodiscard]] std::string format_rate(std::optional<double> per_second);  // 51.2
// The mean of votes from 1 to 5.
[[nodiscard]] std::string format_score(std::optional<double> score);
[[nodiscard]] std::string format_ratio(std::optional<double> ratio);      // 0.0021 -> 0.21 %
[[nodiscard]] std::string format_share(std::optional<double> percent);    // 4.93 -> 4.93
[[nodiscard]] std::string format_latency(std::optional<double> seconds);  // 0.041 -> 41.0 ms
[[nodiscard]] std::string format_count(std::optional<double> count);      // 15433

struct StateWord {
  std::string_view word;    // "Rolled back"; empty for a state we do not know.
  std::string_view symbol;  // "✖"
  Style style = Style::kPlain;
};

[[nodiscard]] StateWord describe_state(std::string_view state);
// The word, or the state as the server says it.
[[nodiscard]] std::string state_text(std::string_view state);

// Whether its figures of errors go on: else those of `analysis` are of its last evidence, while
// those of `cohorts` count whatever comes.
[[nodiscard]] bool is_judged_now(JsonView rollout);
// Rolled back, aborted, promoted or beyond: the evidence is as of then.
[[nodiscard]] bool has_ended(JsonView rollout);

}  // namespace canaryd::cli
