#include "cli/figures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace canaryd::cli {
namespace {

std::string fixed(double value, int decimals) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  return buffer.data();
}

// Three significant digits where there are decimals at all. A number that is absurd is shown short.
std::string significant(double value) {
  const double size = std::fabs(value);
  if (!(size < 1e9)) return "huge";
  if (size < 9.995) return fixed(value, 2);
  if (size < 99.95) return fixed(value, 1);
  return fixed(value, 0);
}

struct KnownState {
  std::string_view state;
  StateWord description;
};

constexpr std::array<KnownState, 12> kStates{{
    {"idle", {"Idle", "·", Style::kDim}},
    {"progressing", {"Progressing", "◌", Style::kActive}},
    {"baking", {"Baking", "◌", Style::kActive}},
    {"promoted", {"Promoted", "✔", Style::kGood}},
    {"retiring", {"Retiring", "◌", Style::kActive}},
    {"retired", {"Retired", "✔", Style::kGood}},
    {"suspended", {"Suspended", "⚠", Style::kBad}},
    {"paused", {"Paused", "‖", Style::kWarn}},
    {"waiting", {"Waiting", "‖", Style::kWarn}},
    {"held", {"Held", "⚠", Style::kWarn}},
    {"rolled_back", {"Rolled back", "✖", Style::kBad}},
    {"aborted", {"Aborted", "✖", Style::kBad}},
}};

}  // namespace

std::string format_rate(std::optional<double> per_second) {
  return per_second ? significant(*per_second) : "-";
}

std::string format_score(std::optional<double> score) {
  return score ? significant(*score) + " of 5" : "-";
}

std::string format_ratio(std::optional<double> ratio) {
  return ratio ? significant(*ratio * 100) + " %" : "-";
}

std::string format_share(std::optional<double> percent) {
  if (!percent) return "-";
  if (!(std::fabs(*percent) < 1e9)) return "huge";
  // A weight is what somebody has set, with up to two decimals: 99.99 is not everybody.
  std::string text = fixed(*percent, 2);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string format_latency(std::optional<double> seconds) {
  if (!seconds) return "-";
  if (std::fabs(*seconds) < 0.9995) return significant(*seconds * 1000) + " ms";
  return significant(*seconds) + " s";
}

std::string format_count(std::optional<double> count) {
  if (!count) return "-";
  return std::fabs(*count) < 1e15 ? fixed(*count, 0) : "huge";
}

StateWord describe_state(std::string_view state) {
  for (const KnownState& known : kStates) {
    if (known.state == state) return known.description;
  }
  return {"", "?", Style::kWarn};
}

std::string state_text(std::string_view state) {
  const StateWord known = describe_state(state);
  return std::string(known.word.empty() ? (state.empty() ? "-" : state) : known.word);
}

bool has_ended(JsonView rollout) {
  constexpr std::array<std::string_view, 5> kEnded{
      "rolled_back", "aborted", "promoted", "retiring", "retired"};
  return std::find(kEnded.begin(), kEnded.end(), rollout["state"].text()) != kEnded.end();
}

bool is_judged_now(JsonView rollout) {
  const std::string state = rollout["state"].text();
  if (has_ended(rollout) || state == "suspended") return false;
  const bool has_users = rollout["weight"]["target"].number().value_or(1) > 0;
  return has_users && rollout["reason"].text() != "environment_degraded";
}

}  // namespace canaryd::cli
