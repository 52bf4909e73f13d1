#include "canaryd/cli/status_screen.hpp"

#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"
#include "cli/query_text.hpp"
#include "cli/retire_text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace canaryd::cli {
namespace {

constexpr std::size_t kStepsMax = 100;
constexpr std::size_t kMetricsMax = 50;
constexpr std::size_t kHistoryLines = 5;
constexpr std::size_t kStragglersShown = 3;
constexpr int kLabelWidth = 15;
constexpr int kStableWidth = 9;
constexpr int kCanaryWidth = 11;
constexpr int kToleratedWidth = 13;
constexpr int kMeterCells = 15;
// The columns that a terminal must have for the parts on the right.
constexpr int kTableWithTolerated = kLabelWidth + kStableWidth + kCanaryWidth + kToleratedWidth;
constexpr int kTableWithShares = kTableWithTolerated + 23;
constexpr int kTableWithMeter = kTableWithTolerated + 42;

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

std::string armed_text(JsonView rollout) {
  if (rollout["mode"].text() == "observe") return "observes only, never acts";
  constexpr std::array<std::string_view, 6> kArmed{
      "progressing", "baking", "suspended", "paused", "waiting", "held"};
  const std::string state = rollout["state"].text();
  return std::find(kArmed.begin(), kArmed.end(), state) != kArmed.end() ? "rollback armed" : "";
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
  if (rollout["durable"].flag() == false) {
    out +=
        Line().add("  in force, not yet stored: the store is failing", Style::kBad).finish(options);
  }
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

// ---- Figures
// -------------------------------------------------------------------------------------------------------

struct Row {
  std::string label;
  std::string stable;
  std::string canary;
  std::string tolerated;
  JsonView metric;  // Its evidence; nowhere when there is none.
};

// 61 % of the way to "good" is 61 % of the way along the meter.
Line meter(double accept, const std::string& verdict, const ScreenOptions& options) {
  const std::string_view dot = options.utf8 ? "·" : ".";
  const double share = std::isfinite(accept) ? std::clamp(accept, 0.0, 1.0) : 0.0;
  const int position = static_cast<int>(std::lround(share * (kMeterCells - 1)));
  std::string_view mark = options.utf8 ? "○" : "o";
  Style style = Style::kBold;
  if (verdict == "pass") {
    mark = options.utf8 ? "✔" : "+";
    style = Style::kGood;
  } else if (verdict == "fail") {
    mark = options.utf8 ? "✖" : "x";
    style = Style::kBad;
  }
  Line line = text("|");
  for (int i = 0; i < kMeterCells; ++i) {
    i == position ? line.add(mark, style) : line.add(dot, Style::kDim);
  }
  return line.add("|");
}

void add_evidence(Line& line, JsonView metric, const ScreenOptions& options) {
  const auto rollback = metric["evidence"]["rollback"].number();
  const auto accept = metric["evidence"]["accept"].number();
  if ((!rollback && !accept) || options.columns < kTableWithShares) return;
  const auto whole = [](std::optional<double> share) {
    return share ? format_count(std::round(std::clamp(*share, 0.0, 1.0) * 100)) + " %" : "-";
  };
  if (options.columns < kTableWithMeter) {
    line.add("  bad " + whole(rollback) + " good " + whole(accept));
    return;
  }
  const std::string verdict = metric["verdict"].text();
  line.add_right(whole(rollback), 8).add(" ");
  // No way to go where no step waits for it.
  if (accept || verdict == "fail") {
    line.add(meter(accept.value_or(0), verdict, options));
  } else {
    line.add(std::string(kMeterCells + 2, ' '));
  }
  line.add_right(whole(accept), 6);
  const std::string needs = metric["needs_about"].text();
  if (verdict == "pass") {
    line.add("   good", Style::kGood);
  } else if (verdict == "fail") {
    line.add("   bad", Style::kBad);
  } else if (!needs.empty()) {
    line.add("   ~" + needs + " more");
  }
}

std::string row_text(const Row& row, const ScreenOptions& options) {
  Line line;
  line.add_left("  " + row.label, kLabelWidth);
  line.add_right(row.stable, kStableWidth).add_right(row.canary, kCanaryWidth);
  if (options.columns >= kTableWithTolerated) line.add_right(row.tolerated, kToleratedWidth);
  add_evidence(line, row.metric, options);
  return line.finish(options);
}

JsonView find_metric(JsonView rollout, std::string_view name) {
  const JsonView analysis = rollout["analysis"];
  for (std::size_t i = 0; i < std::min(analysis.size(), kMetricsMax); ++i) {
    if (analysis[i]["metric"].text() == name) return analysis[i];
  }
  return {};
}

// As it is judged; where it is not, or no longer, as the cohort has it, but for a stable that
// nobody is sent to. Latencies are those of now in either.
std::optional<double> figure(JsonView rollout,
                             JsonView metric,
                             const std::string& cohort,
                             const std::string& key) {
  const bool is_of_before = key == "error_rate" && !is_judged_now(rollout);
  if (!is_of_before && !metric[cohort].is_null()) return metric[cohort].number();
  const bool everybody = rollout["weight"]["target"].number().value_or(0) >= 100;
  if (cohort == "stable" && everybody) return std::nullopt;
  return rollout["cohorts"][cohort][key].number();
}

Row error_row(JsonView rollout) {
  const JsonView metric = find_metric(rollout, "errors");
  const auto tolerated = metric["tolerated"].number();
  return {"errors",
          format_ratio(figure(rollout, metric, "stable", "error_rate")),
          format_ratio(figure(rollout, metric, "canary", "error_rate")),
          tolerated ? format_ratio(tolerated) : "",
          metric};
}

// Of a metric that is there only where it is judged.
std::string optional_row(JsonView rollout,
                         const char* name,
                         const char* label,
                         std::string (*format)(std::optional<double>),
                         const ScreenOptions& options) {
  const JsonView metric = find_metric(rollout, name);
  if (!metric.is_object()) return {};
  const auto tolerated = metric["tolerated"].number();
  const Row row{label,
                format(metric["stable"].number()),
                format(metric["canary"].number()),
                tolerated ? format(tolerated) : "",
                metric};
  return row_text(row, options);
}

Row latency_row(JsonView rollout, const std::string& quantile) {
  const JsonView metric = find_metric(rollout, "latency_" + quantile);
  const auto tolerated = metric["tolerated"].number();
  return {"latency " + quantile,
          format_latency(figure(rollout, metric, "stable", quantile)),
          format_latency(figure(rollout, metric, "canary", quantile)),
          tolerated ? format_latency(tolerated) : "",
          metric};
}

// Of "limit_errors" or "limit_latency_p99": stable is no part of it.
Row limit_row(JsonView metric) {
  constexpr std::string_view kLatency = "limit_latency_";
  const std::string name = metric["metric"].text();
  const bool latency = name.starts_with(kLatency);
  const auto value = [&](const char* key) {
    const auto number = metric[key].number();
    return latency ? format_latency(number) : format_ratio(number);
  };
  return {"limit " + (latency ? name.substr(kLatency.size()) : std::string("errors")),
          "",
          value("canary"),
          value("tolerated"),
          metric};
}

std::string limit_rows(JsonView rollout, const ScreenOptions& options) {
  const JsonView analysis = rollout["analysis"];
  std::string out;
  for (std::size_t i = 0; i < std::min(analysis.size(), kMetricsMax); ++i) {
    const bool limit = analysis[i]["metric"].text().starts_with("limit_");
    if (limit) out += row_text(limit_row(analysis[i]), options);
  }
  return out;
}

std::string traffic_row(JsonView rollout, const ScreenOptions& options) {
  const JsonView cohorts = rollout["cohorts"];
  const JsonView weight = rollout["weight"];
  Line line;
  line.add_left("  requests/s", kLabelWidth);
  line.add_right(format_rate(cohorts["stable"]["rps"].number()), kStableWidth);
  line.add_right(format_rate(cohorts["canary"]["rps"].number()), kCanaryWidth);
  if (!weight["actual"].is_null() && options.columns >= kTableWithTolerated + 15) {
    line.add("     share " + format_share(weight["actual"].number()) + " % of " +
             format_share(weight["target"].number()) + " ");
    const auto ratio_ok = weight["sample_ratio_ok"].flag();
    if (ratio_ok == true) line.add(options.utf8 ? "✔" : "ok", Style::kGood);
    if (ratio_ok == false) line.add(options.utf8 ? "⚠" : "mismatch", Style::kWarn);
  }
  return line.finish(options);
}

std::string table(JsonView rollout, const ScreenOptions& options) {
  Line head;
  head.add_left("", kLabelWidth);
  head.add_right("stable", kStableWidth, Style::kDim)
      .add_right("canary", kCanaryWidth, Style::kDim);
  if (options.columns >= kTableWithTolerated) {
    head.add_right("tolerated", kToleratedWidth, Style::kDim);
  }
  if (options.columns >= kTableWithMeter) {
    head.add("    evidence: bad .......... good", Style::kDim);
  }
  std::string out = head.finish(options);
  out += traffic_row(rollout, options);
  Row requests{"requests", "", "", "", {}};
  requests.stable = format_count(rollout["cohorts"]["stable"]["requests"].number());
  requests.canary = format_count(rollout["cohorts"]["canary"]["requests"].number());
  out += row_text(requests, options);
  out += row_text(error_row(rollout), options);
  out += optional_row(rollout, "client_errors", "4xx", format_ratio, options);
  for (const char* quantile : {"p50", "p90", "p99"}) {
    out += row_text(latency_row(rollout, quantile), options);
  }
  // Most of the time too far out to say anything.
  if (find_metric(rollout, "latency_p99.9")["verdict"].text() == "fail") {
    out += row_text(latency_row(rollout, "p99.9"), options);
  }
  out += optional_row(rollout, "feedback", "feedback", format_score, options);
  return out + limit_rows(rollout, options);
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
  for (std::size_t i = 0; i < std::min(analysis.size(), kMetricsMax); ++i) {
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

// The newest, which are last, are the ones that stay where there is no room for all.
std::string history_lines(std::string_view history,
                          const std::string& above,
                          const ScreenOptions& options) {
  const auto past = history.empty() ? boost::json::value() : parse_json(history).value_or(nullptr);
  const JsonView rows = JsonView(past)["items"];
  std::size_t shown = std::min(rows.size(), kHistoryLines);
  if (options.rows > 0) {
    const auto taken = std::count(above.begin(), above.end(), '\n');
    const auto room = std::max<std::ptrdiff_t>(options.rows - taken, 1);
    shown = std::min(shown, static_cast<std::size_t>(room));
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
  out += table(view, options);
  out += query_lines(view, options);
  out += exposure(view, options);
  if (const std::string next = view["next"].text(); !next.empty()) {
    out += sentence("  next: ", next, Style::kPlain, options);
  }
  out += straggler_lines(view, kStragglersShown, options);
  return out + history_lines(history, out, options);
}

}  // namespace canaryd::cli
