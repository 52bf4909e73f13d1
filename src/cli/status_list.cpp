// Rollouts of one line each: a table of all of them, and lines without columns.
#include "canaryd/cli/status_screen.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"
#include "cli/table.hpp"

#include <boost/json.hpp>

#include <array>
#include <string_view>
#include <vector>

namespace canaryd::cli {
namespace {

Cells header(bool wide) {
  Cells cells;
  for (const char* title :
       {"NAME", "STATE", "STEP", "WEIGHT", "STABLE", "CANARY", "REVISION", "FOR"}) {
    cells.push_back({title, Style::kDim});
  }
  if (!wide) return cells;
  for (const char* title :
       {"RPS", "RPS CANARY", "ERRORS", "ERR CANARY", "P99", "P99 CANARY", "REASON"}) {
    cells.push_back({title, Style::kDim});
  }
  return cells;
}

// "2/5"; empty where there is none.
std::string step_of(JsonView rollout) {
  const auto index = rollout["step"]["index"].number();
  const auto count = rollout["step"]["count"].number();
  return index && count ? format_count(*index + 1) + "/" + format_count(count) : "";
}

std::string weight_in(JsonView rollout) {
  return format_share(rollout["weight"]["target"].number()) + " %";
}

// Without what changes all the time, such as durations.
std::string line_of(JsonView rollout, const ScreenOptions& options) {
  std::string words = rollout["name"].text() + ": " + state_text(rollout["state"].text());
  if (const std::string step = step_of(rollout); !step.empty()) words += ", step " + step;
  words += ", weight " + weight_in(rollout);
  if (const std::string reason = rollout["reason"].text(); !reason.empty()) words += ", " + reason;
  ScreenOptions plain = options;
  plain.color = false;
  return Line().add(words).finish(plain);
}

Cells row_of(JsonView rollout, bool wide, const ScreenOptions& options) {
  const std::string state = rollout["state"].text();
  const StateWord known = describe_state(state);
  const std::string symbol = options.utf8 ? std::string(known.symbol) + " " : "";
  Cells cells{{or_dash(rollout["name"].text()), Style::kBold},
              {symbol + state_text(state), known.style},
              {or_dash(step_of(rollout))},
              {weight_in(rollout)},
              {or_dash(rollout["stable"].text())},
              {or_dash(rollout["canary"].text())},
              {or_dash(rollout["revision"].text())},
              {or_dash(rollout["for"].text())}};
  if (!wide) return cells;
  const JsonView stable = rollout["cohorts"]["stable"];
  const JsonView canary = rollout["cohorts"]["canary"];
  cells.push_back({format_rate(stable["rps"].number())});
  cells.push_back({format_rate(canary["rps"].number())});
  cells.push_back({format_ratio(stable["error_rate"].number())});
  cells.push_back({format_ratio(canary["error_rate"].number())});
  cells.push_back({format_latency(stable["p99"].number())});
  cells.push_back({format_latency(canary["p99"].number())});
  cells.push_back({or_dash(rollout["reason"].text())});
  return cells;
}

// Whose columns go first when the terminal is too narrow; a name, a state and a weight stay.
constexpr std::array<std::string_view, 12> kListLeastNeeded{"FOR",
                                                            "REVISION",
                                                            "REASON",
                                                            "STABLE",
                                                            "CANARY",
                                                            "RPS",
                                                            "ERRORS",
                                                            "P99",
                                                            "STEP",
                                                            "RPS CANARY",
                                                            "P99 CANARY",
                                                            "ERR CANARY"};

std::string none_of_them(const ScreenOptions& options) {
  return Line().add("no rollouts").finish(options);
}

}  // namespace

Result<std::string> render_list(std::string_view rollouts,
                                bool wide,
                                const ScreenOptions& options) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(rollouts));
  const JsonView items = JsonView(document)["items"];
  if (items.size() == 0) return none_of_them(options);
  std::vector<Cells> table{header(wide)};
  for (std::size_t i = 0; i < items.size(); ++i) table.push_back(row_of(items[i], wide, options));
  return render_table(table, options, kListLeastNeeded);
}

Result<std::string> render_lines(std::string_view rollouts, const ScreenOptions& options) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(rollouts));
  const JsonView items = JsonView(document)["items"];
  if (items.size() == 0) return none_of_them(options);
  std::string lines;
  for (std::size_t i = 0; i < items.size(); ++i) lines += line_of(items[i], options);
  return lines;
}

Result<std::string> render_line(std::string_view rollout, const ScreenOptions& options) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(rollout));
  const JsonView view(document);
  if (!view.is_object()) return fail(ErrorCode::kMalformed, "the answer is not a rollout");
  return line_of(view, options);
}

}  // namespace canaryd::cli
