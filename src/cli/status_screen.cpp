#include "canaryd/cli/status_screen.hpp"

#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"
#include "cli/query_text.hpp"
#include "cli/retire_text.hpp"
#include "cli/status_figures.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace canaryd::cli {
namespace {

constexpr std::size_t kStepsMax = 100;
constexpr std::size_t kHistoryLines = 5;
constexpr std::size_t kStragglersShown = 3;

Line text(std::string_view words, Style style = Style::kPlain) {
  Line line;
  line.add(words, style);
  return line;
}

// On as many lines as it takes.
std::string sentence(std::string_view label,
                     std::string_view words,
                     Style style,
                     const ScreenOptions& options) {
  std::vector<Line> pieces;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(std::min(word.size() + 1, words.size()));
    pieces.push_back(pieces.empty() ? text(label).add(word, style) : text(word, style));
  }
  return flow(pieces, text(" "), display_width(label), options);
}

// ---- Head
// ----------------------------------------------------------------------------------------------------------

Line state_piece(const std::string& state, const ScreenOptions& options) {
  const StateWord known = describe_state(state);
  Line line;
  if (options.utf8) line.add(std::string(known.symbol) + " ", known.style);
  return line.add(state_text(state), known.style);
}

std::string step_text(JsonView rollout) {
  const auto index = rollout["step"]["index"].number();
  const auto count = rollout["step"]["count"].number();
  if (!index || !count) return "";
  return "step " + format_count(*index + 1) + "/" + format_count(count);
}

// What a bad verdict would do.
std::string armed_text(JsonView rollout) {
  if (rollout["mode"].text() == "observe") return "observes; only circuit and exposure act";
  constexpr std::array<std::string_view, 6> kArmed{
      "progressing", "baking", "suspended", "paused", "waiting", "held"};
  const std::string state = rollout["state"].text();
  const bool armed = std::find(kArmed.begin(), kArmed.end(), state) != kArmed.end();
  // One that stands has done what it does.
  if (!armed || rollout["condemned"].flag().value_or(false)) return "";
  const std::string on_failure = rollout["on_failure"].text();
  if (on_failure == "hold") return "a bad verdict holds";
  return on_failure == "step_down" ? "a bad verdict steps down" : "rollback armed";
}

// What is not stored while nothing fails is on its way to the disk.
std::string journal_line(JsonView rollout, const ScreenOptions& options) {
  const auto failing = rollout["journal_failing"].flag();
  const bool stored = rollout["durable"].flag() != false;
  if (stored && !failing.value_or(false)) return "";
  std::string_view words = "  in force, not yet stored: the store is failing";
  if (stored) words = "  the journal cannot be written: no weight rises until it can";
  if (failing == false) words = "  in force, not yet stored";
  return Line().add(words, Style::kBad).finish(options);
}

std::string head(JsonView rollout, const ScreenOptions& options) {
  const std::string name = rollout["name"].text();
  const Line gap = text("   ");
  std::vector<Line> first{text(name.empty() ? "-" : name, Style::kBold),
                          state_piece(rollout["state"].text(), options)};
  if (const std::string step = step_text(rollout); !step.empty()) first.push_back(text(step));
  first.push_back(text("weight " + format_share(rollout["weight"]["target"].number()) + " %"));
  if (const std::string since = rollout["for"].text(); !since.empty()) {
    first.push_back(text("for " + since));
  }
  if (const std::string revision = rollout["revision"].text(); !revision.empty()) {
    first.push_back(text("revision " + revision));
  }
  const int indent = std::min(display_width(name) + 3, options.columns / 3);
  std::string out = flow(first, gap, indent, options);

  Line sides;
  sides.add(std::string(static_cast<std::size_t>(indent), ' '));
  sides.add(rollout["stable"].text() + " (stable)  ->  " + rollout["canary"].text() + " (canary)");
  std::vector<Line> second{sides};
  if (const std::string armed = armed_text(rollout); !armed.empty()) {
    second.push_back(text(armed, Style::kDim));
  }
  out += flow(second, gap, indent, options);
  if (const std::string reason = rollout["reason"].text(); !reason.empty()) {
    out += Line().add("  reason: ").add(reason, Style::kWarn).finish(options);
  }
  if (const std::string postponed = rollout["postponed"].text(); !postponed.empty()) {
    out += sentence("  ", postponed, Style::kWarn, options);
  }
  out += journal_line(rollout, options);
  return out;
}

// ---- Steps
// ---------------------------------------------------------------------------------------------------------

enum class Progress { kDone, kNow, kAhead };

struct StepMark {
  Progress progress;
  StateWord now;  // How the current step is doing.
};

Line step_piece(JsonView step, const StepMark& mark, const ScreenOptions& options) {
  const std::string gate = step["gate"].text();
  const std::string weight = format_share(step["weight"].number());
  Line line = text(weight + " ");
  switch (mark.progress) {
    case Progress::kDone:
      return line.add(options.utf8 ? "✔" : "done", Style::kGood);
    case Progress::kNow:
      return line.add(options.utf8 ? mark.now.symbol : "now", mark.now.style);
    case Progress::kAhead:
      break;
  }
  if (!gate.empty()) return line.add(options.utf8 ? "‖" : "gate ", Style::kWarn).add(gate);
  return options.utf8 ? line.add("·", Style::kDim) : text(weight);
}

std::string step_bar(JsonView rollout, const ScreenOptions& options) {
  const JsonView steps = rollout["steps"];
  const std::string state = rollout["state"].text();
  const bool all_done =
      state == "baking" || state == "promoted" || state == "retiring" || state == "retired";
  const double current = rollout["step"]["index"].number().value_or(-1);
  std::vector<Line> pieces;
  for (std::size_t i = 0; i < std::min(steps.size(), kStepsMax); ++i) {
    const auto position = static_cast<double>(i);
    Progress progress = Progress::kAhead;
    if (all_done || position < current) progress = Progress::kDone;
    if (!all_done && position == current) progress = Progress::kNow;
    pieces.push_back(step_piece(steps[i], {progress, describe_state(state)}, options));
  }
  if (pieces.empty()) return "";
  if (const std::string bake = rollout["bake"].text(); !bake.empty()) {
    pieces.push_back(text("bake " + bake));
  }
  pieces.front() = text("  ").add(pieces.front());
  return flow(pieces, text(options.utf8 ? " ─── " : " -- ", Style::kDim), 2, options);
}

// ---- Foot
// ----------------------------------------------------------------------------------------------------------

std::string exposure(JsonView rollout, const ScreenOptions& options) {
  const JsonView used = rollout["exposure"];
  if (!used.is_object()) return "";
  std::string words = "  user-visible failures " + format_count(used["failed"].number());
  if (!used["max"].is_null()) words += " of " + format_count(used["max"].number());
  if (!used["saved"].is_null()) {
    words += "   saved by fallback " + format_count(used["saved"].number());
  }
  return text(words).finish(options);
}

// Behind its mark: good, bad, or not known.
std::string query_lines(JsonView rollout, const ScreenOptions& options) {
  const JsonView analysis = rollout["analysis"];
  std::string out;
  for (std::size_t i = 0; i < std::min(analysis.size(), kMetricsOfScreen); ++i) {
    const std::string words = query_text(analysis[i]);
    if (words.empty()) continue;
    const std::string verdict = analysis[i]["verdict"].text();
    Line line = text("  ");
    if (verdict == "pass") {
      line.add(options.utf8 ? "✔ " : "good: ", Style::kGood);
    } else if (verdict == "fail") {
      line.add(options.utf8 ? "✖ " : "bad: ", Style::kBad);
    } else {
      line.add(options.utf8 ? "? " : "open: ", Style::kWarn);
    }
    out += line.add(words).finish(options);
  }
  return out;
}

// "10:02:00Z", with the date unless that is today.
std::string history_time(const std::string& time, const std::string& today) {
  constexpr std::size_t kDate = 10;
  constexpr std::size_t kClock = 8;
  if (time.size() < kDate + 1 + kClock) return "-";
  const std::string clock = time.substr(kDate + 1, kClock) + "Z";
  const std::string date = time.substr(0, kDate);
  return date == today ? clock : date + " " + clock;
}

std::string history_line(JsonView row, const ScreenOptions& options) {
  const std::string time = history_time(row["time"].text(), options.today);
  const StateWord to = describe_state(row["to"].text());
  std::string message = row["message"].text();
  if (message.empty()) message = row["from"].text() + " -> " + row["to"].text();
  Line line = text("  ");
  line.add(time, Style::kDim).add(" ");
  if (options.utf8 && !to.word.empty()) line.add(std::string(to.symbol) + " ", to.style);
  return line.add(message).finish(options);
}

// The newest, which are last, are the ones that stay where there is no room for all. Where there is
// none at all they are left out with what is above them, and whoever cuts that counts them as well.
std::string history_lines(std::string_view history,
                          const std::string& above,
                          const ScreenOptions& options) {
  const auto past = history.empty() ? boost::json::value() : parse_json(history).value_or(nullptr);
  const JsonView rows = JsonView(past)["items"];
  std::size_t shown = std::min(rows.size(), kHistoryLines);
  if (options.rows > 0) {
    const auto taken = std::count(above.begin(), above.end(), '\n');
    const std::ptrdiff_t room = options.rows - taken;
    if (room > 0) shown = std::min(shown, static_cast<std::size_t>(room));
  }
  std::string out;
  for (std::size_t i = rows.size() - shown; i < rows.size(); ++i) {
    out += history_line(rows[i], options);
  }
  return out;
}

}  // namespace

Result<std::string> render_rollout(std::string_view rollout,
                                   std::string_view history,
                                   const ScreenOptions& options) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(rollout));
  const JsonView view(document);
  if (!view.is_object()) return fail(ErrorCode::kMalformed, "the answer is not a rollout");
  std::string out = head(view, options);
  out += step_bar(view, options);
  out += figures_table(view, options);
  out += query_lines(view, options);
  out += exposure(view, options);
  if (const std::string next = view["next"].text(); !next.empty()) {
    out += sentence("  next: ", next, Style::kPlain, options);
  }
  out += straggler_lines(view, kStragglersShown, options);
  return out + history_lines(history, out, options);
}

}  // namespace canaryd::cli
