#include "cli/status_figures.hpp"

#include "cli/figures.hpp"
#include "cli/line.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

namespace canaryd::cli {
namespace {

constexpr int kLabelWidth = 15;
constexpr int kStableWidth = 9;
constexpr int kCanaryWidth = 11;
constexpr int kToleratedWidth = 13;
constexpr int kMeterCells = 15;
// The columns that a terminal must have for the parts on the right.
constexpr int kTableWithTolerated = kLabelWidth + kStableWidth + kCanaryWidth + kToleratedWidth;
constexpr int kTableWithShares = kTableWithTolerated + 23;
constexpr int kTableWithMeter = kTableWithTolerated + 42;

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
  Line line;
  line.add("|");
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
  for (std::size_t i = 0; i < std::min(analysis.size(), kMetricsOfScreen); ++i) {
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
  for (std::size_t i = 0; i < std::min(analysis.size(), kMetricsOfScreen); ++i) {
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

}  // namespace

std::string figures_table(JsonView rollout, const ScreenOptions& options) {
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

}  // namespace canaryd::cli
