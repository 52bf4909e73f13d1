#include "canaryd/analysis/verdict.hpp"

#include "canaryd/base/units.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace canaryd::analysis {
namespace {

std::string fixed(double value, int decimals) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string result(text, static_cast<std::size_t>(std::clamp(length, 0, 63)));
  if (result.find('.') == std::string::npos) return result;
  result.erase(result.find_last_not_of('0') + 1);
  if (result.back() == '.') result.pop_back();
  return result;
}

// Two digits that matter; whole above ten.
std::string two_digits(double value) {
  if (!(value > 0)) return "0";
  const int decimals = 1 - static_cast<int>(std::floor(std::log10(value)));
  return fixed(value, std::clamp(decimals, 0, 6));
}

// "212", "0.5".
std::string count(double value) {
  return fixed(value, 2);
}

std::string elapsed_text(Duration elapsed) {
  if (elapsed >= std::chrono::minutes(1)) return format_duration_brief(elapsed);
  return fixed(std::chrono::duration<double>(elapsed).count(), 1) + " s";
}

// A guess should not look like a measurement: 1234 is "about 1200".
double rounded(double value) {
  if (value < 100) return value;
  const double unit = std::pow(10, std::floor(std::log10(value)) - 1);
  return std::round(value / unit) * unit;
}

// What is counted, and what of it one metric says.
std::string unit_of(const MetricReport& report, double number) {
  return std::string(report.feedback ? "vote" : "request") + (number == 1 ? "" : "s");
}

std::string rate_text(const MetricReport& report, double rate) {
  return report.feedback ? fixed(mean_score(rate), 2) + " of 5" : format_rate(rate);
}

std::string need_text(const MetricReport& report) {
  if (!report.needs_requests || !report.needs_time) {
    std::string text = "the evidence does not move towards acceptance";
    if (report.never) return text + ", and would not for a canary as good as stable";
    return report.undecided ? text + ", nor towards a rollback" : text;
  }
  return "needs about " + fixed(rounded(static_cast<double>(*report.needs_requests)), 0) +
         " more canary " + unit_of(report, rounded(static_cast<double>(*report.needs_requests))) +
         " (" + elapsed_text(*report.needs_time) + ")";
}

// "2.4 s", "97 ms", "0.81 ms".
std::string latency_text(Duration latency) {
  const double ms = std::chrono::duration<double, std::milli>(latency).count();
  if (ms >= 1000) return fixed(ms / 1000, 1) + " s";
  return fixed(ms, ms >= 100 ? 0 : ms >= 10 ? 1 : 2) + " ms";
}

std::string over_text(const std::optional<Duration>& limit) {
  return limit ? " over " + latency_text(*limit) : std::string();
}

// Responses are there, but none that latency could be judged by.
std::string not_judged_text(const MetricReport& metric) {
  if (metric.feedback) return "feedback: users of both versions have not voted yet";
  return title(metric) + ": not judged yet; the canary warms up, or stable's latency is not known";
}

// With only the canary's figures.
std::string limit_text(const MetricReport& report) {
  std::string text = title(report);
  if (!report.canary_rate) {
    return text + (report.quantile
                       ? ": not judged yet; the canary warms up, or has no traffic"
                       : ": not judged yet; no traffic, or too little of stable's so far");
  }
  text += " canary " + format_rate(*report.canary_rate) + over_text(report.canary_slow_after);
  return text + ", allowed " + format_rate(report.tolerated_rate.value_or(0));
}

bool is_known(const MetricReport& report) noexcept {
  return report.canary_rate && report.tolerated_rate && (report.by_limit || report.stable_rate);
}

// What has turned bad late is within the tolerance by its sums.
std::string late_text(const MetricReport& report) {
  if (!report.late || !report.late->canary_rate || !is_known(report)) return {};
  std::string text = "; in the last " + std::to_string(report.late->seconds) + " s " +
                     rate_text(report, *report.late->canary_rate);
  if (report.by_limit || !report.late->stable_rate) return text;
  return text + " vs " + rate_text(report, *report.late->stable_rate);
}

// A step that has just begun has hardly any figures; the evidence is that of all.
std::string run_text(const MetricReport& report) {
  if (!report.run || !report.run->canary_rate || !is_known(report)) return {};
  std::string text = "; in the whole run " + rate_text(report, *report.run->canary_rate);
  if (!report.by_limit && report.run->stable_rate) {
    text += " vs " + rate_text(report, *report.run->stable_rate);
  }
  return text + ", of " + count(report.run->canary_n);
}

std::string no_control_text(const Verdict& verdict) {
  const bool limited = std::any_of(verdict.metrics.begin(),
                                   verdict.metrics.end(),
                                   [](const MetricReport& metric) { return metric.by_limit; });
  return std::string("no control: nobody is on stable, so nothing to compare the canary with") +
         (limited ? "; it is judged by its limits alone" : "");
}

std::string hold_text(const Verdict& verdict) {
  switch (verdict.reason) {
    case Reason::kNoTraffic:
      return "no traffic to compare yet";
    case Reason::kNoCanaryTraffic:
      return "no canary traffic";
    case Reason::kNoStableTraffic:
      return "no stable traffic to compare the canary with";
    case Reason::kNoControl:
      return no_control_text(verdict);
    case Reason::kWorse:
    case Reason::kBeyondLimit:
    case Reason::kWithinLimit:
    case Reason::kNeedsEvidence:
      break;
  }
  const MetricReport& metric = verdict.metrics[verdict.deciding];
  if (!metric.canary_rate) return not_judged_text(metric);
  return describe(metric) + ": " + need_text(metric);
}

// What is to blame if not all traffic is, as the beginning of a sentence.
struct Blamed {
  std::string prefix;
  const MetricReport* metric = nullptr;
};

Blamed blamed(const Verdict& verdict) {
  if (verdict.route) return {"route " + verdict.route->name + ": ", &verdict.route->metric};
  if (verdict.segment) return {"segment " + verdict.segment->name + ": ", &verdict.segment->metric};
  return {"", &verdict.metrics[verdict.deciding]};
}

}  // namespace

bool is_no_data(Reason reason) noexcept {
  return reason == Reason::kNoTraffic || reason == Reason::kNoCanaryTraffic ||
         reason == Reason::kNoStableTraffic;
}

Reason what_is_missing(Reason reason, bool stable_came, bool canary_came) noexcept {
  if (reason != Reason::kNoTraffic || stable_came == canary_came) return reason;
  return canary_came ? Reason::kNoStableTraffic : Reason::kNoCanaryTraffic;
}

std::string_view to_string(Decision decision) noexcept {
  switch (decision) {
    case Decision::kHold:
      return "hold";
    case Decision::kAccept:
      return "accept";
    case Decision::kRollback:
      return "rollback";
  }
  return "hold";
}

std::string_view to_string(Reason reason) noexcept {
  switch (reason) {
    case Reason::kWorse:
      return "worse";
    case Reason::kBeyondLimit:
      return "beyond_limit";
    case Reason::kWithinLimit:
      return "within_limit";
    case Reason::kNeedsEvidence:
      return "needs_evidence";
    case Reason::kNoTraffic:
      return "no_traffic";
    case Reason::kNoCanaryTraffic:
      return "no_canary_traffic";
    case Reason::kNoStableTraffic:
      return "no_stable_traffic";
    case Reason::kNoControl:
      return "no_control";
  }
  return "needs_evidence";
}

std::string_view to_string(MetricState state) noexcept {
  switch (state) {
    case MetricState::kOpen:
      return "open";
    case MetricState::kPass:
      return "pass";
    case MetricState::kFail:
      return "fail";
  }
  return "open";
}

const MetricReport* silent_metric(const Verdict& verdict) noexcept {
  const auto silent = [](const MetricReport& metric) {
    return metric.required && !metric.by_limit && (metric.canary_n <= 0 || metric.stable_n <= 0);
  };
  const auto found = std::find_if(verdict.metrics.begin(), verdict.metrics.end(), silent);
  return found == verdict.metrics.end() ? nullptr : &*found;
}

double mean_score(double rate) noexcept {
  return 5 - 4 * std::clamp(rate, 0.0, 1.0);
}

std::string format_rate(double rate) {
  return two_digits(rate * 100) + " %";
}

std::string title(const MetricReport& report) {
  std::string text(report.name);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string describe_rates(const MetricReport& report) {
  if (report.by_limit) return limit_text(report);
  std::string text = title(report);
  if (!is_known(report)) return text + ": nothing to compare yet";
  text += " canary " + rate_text(report, *report.canary_rate) + over_text(report.canary_slow_after);
  text +=
      " vs stable " + rate_text(report, *report.stable_rate) + over_text(report.stable_slow_after);
  text += ", tolerated " + rate_text(report, *report.tolerated_rate);
  return text;
}

std::string describe_rates(const Verdict& verdict) {
  const Blamed to_blame = blamed(verdict);
  const bool ends = verdict.decision == Decision::kRollback;
  return to_blame.prefix + describe_rates(*to_blame.metric) +
         (ends ? run_text(*to_blame.metric) : std::string());
}

std::string describe(const MetricReport& report, Duration elapsed) {
  std::string text = describe_rates(report);
  if (!is_known(report)) return text;
  text += ", after " + count(report.canary_n) + " canary " + unit_of(report, report.canary_n) +
          " (" + elapsed_text(elapsed) + ")";
  return text;
}

std::string describe(const MetricReport& report) {
  const auto seconds = std::min<std::uint64_t>(report.seconds, 864'000'000);
  return describe(report, std::chrono::seconds(seconds));
}

std::string describe(const Verdict& verdict) {
  if (verdict.decision == Decision::kHold) return hold_text(verdict);
  if (verdict.decision == Decision::kRollback) {
    const Blamed to_blame = blamed(verdict);
    return to_blame.prefix + describe(*to_blame.metric) + late_text(*to_blame.metric) +
           run_text(*to_blame.metric);
  }
  return "every metric is within the next step's limit; " +
         describe(verdict.metrics[verdict.deciding]);
}

}  // namespace canaryd::analysis
