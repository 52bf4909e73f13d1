#include "canaryd/config/feasibility.hpp"

#include "canaryd/analysis/feasibility.hpp"
#include "canaryd/analysis/verdict.hpp"
#include "canaryd/base/units.hpp"
#include "config/reader.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace canaryd::config {
namespace {

bool detects(const analysis::Settings& settings,
             const analysis::Traffic& traffic,
             const StepForecast& step,
             double error_rate) {
  const auto need = analysis::need_to_detect(settings, traffic, step.weight, error_rate);
  return need && need->time <= step.max_duration;
}

std::optional<double> least_detected(const analysis::Settings& settings,
                                     const analysis::Traffic& traffic,
                                     const StepForecast& step) {
  if (!detects(settings, traffic, step, 1)) return std::nullopt;
  double low = traffic.error_rate;
  double high = 1;
  for (int i = 0; i < 30; ++i) {
    const double middle = (low + high) / 2;
    (detects(settings, traffic, step, middle) ? high : low) = middle;
  }
  return high;
}

// What the plan asks for besides evidence.
Duration least_time(const rollout::Step& step, double canary_a_second) {
  const std::chrono::duration<double> requests(static_cast<double>(step.min_requests) /
                                               canary_a_second);
  constexpr std::chrono::duration<double> kMost = std::chrono::hours(24 * 10'000);
  return std::max(
      step.min_duration,
      std::chrono::ceil<std::chrono::seconds>(std::min(requests, kMost)) + Duration::zero());
}

// With so many users on stable the last step is passed in time; nothing if not even with half of
// them. Fewer requests of the one version than of the other are what it takes long for.
std::optional<unsigned> sufficient_holdback(const Rollout& rollout,
                                            const analysis::Traffic& traffic,
                                            std::size_t index) {
  constexpr unsigned kHalf = 50;
  const rollout::Step& step = rollout.plan.steps[index];
  const auto suffices = [&](unsigned percent) {
    const BasisPoints weight((100 - percent) * 100);
    if (least_time(step, traffic.requests_per_second * weight.ratio()) > step.max_duration) {
      return false;
    }
    const auto need =
        analysis::need_to_accept(rollout.analysis, traffic, weight, BasisPoints(BasisPoints::kMax));
    return need && need->time <= step.max_duration;
  };
  unsigned low = rollout.plan.bake.holdback.value() / 100U;
  unsigned high = kHalf;
  if (low >= high || !suffices(high)) return std::nullopt;
  while (high - low > 1) {
    const unsigned middle = (low + high) / 2;
    (suffices(middle) ? high : low) = middle;
  }
  return high;
}

bool passes(const StepForecast& step) noexcept {
  return step.time && *step.time <= step.max_duration;
}

StepForecast forecast_step(const Rollout& rollout,
                           const analysis::Traffic& traffic,
                           std::size_t index) {
  const rollout::Step& step = rollout.plan.steps[index];
  StepForecast result;
  result.weight = rollout::step_weight(rollout.plan, index);
  result.max_duration = step.max_duration;
  const double canary_a_second = traffic.requests_per_second * result.weight.ratio();
  if (canary_a_second <= 0) return result;
  const Duration least = least_time(step, canary_a_second);
  // Everybody on the canary: there is no evidence to wait for.
  if (result.weight.value() == BasisPoints::kMax) {
    result.time = least;
    return result;
  }
  const auto need = analysis::need_to_accept(
      rollout.analysis, traffic, result.weight, rollout::weight_above(rollout.plan, result.weight));
  // Latency is not looked at before the canary is warm.
  const bool warms_up = index == 0 && !rollout.analysis.latency_quantiles.empty();
  const Duration warm_up = warms_up ? rollout.analysis.warm_up : Duration::zero();
  if (need) result.time = std::max(least, warm_up + need->time);
  result.detects = least_detected(rollout.analysis, traffic, result);
  const bool held_back =
      index + 1 == rollout.plan.steps.size() && result.weight == rollout::full_weight(rollout.plan);
  if (held_back && !passes(result)) result.holdback = sufficient_holdback(rollout, traffic, index);
  return result;
}

// The forecast's traffic. False: nothing is known of it.
bool find_traffic(const Rollout& rollout,
                  const std::vector<LearnedTraffic>& learned,
                  RolloutForecast& forecast) {
  const auto seen =
      std::find_if(learned.begin(), learned.end(), [&rollout](const LearnedTraffic& each) {
        return each.rollout == rollout.name;
      });
  if (seen != learned.end()) {
    forecast.requests_per_second = seen->requests_per_second;
    forecast.error_rate = seen->error_rate;
    forecast.learned_over = seen->over;
    return true;
  }
  if (!rollout.expected_rps) return false;
  forecast.requests_per_second = *rollout.expected_rps;
  forecast.error_rate = rollout.expected_error_rate.value_or(kUsualErrorRate);
  return true;
}

void forecast_steps(const Rollout& rollout, RolloutForecast& result) {
  const analysis::Traffic traffic{result.requests_per_second, result.error_rate};
  result.time = Duration::zero();
  for (std::size_t i = 0; i < rollout.plan.steps.size(); ++i) {
    result.steps.push_back(forecast_step(rollout, traffic, i));
    const auto& time = result.steps.back().time;
    if (time && result.time) {
      *result.time += *time;
    } else {
      result.time.reset();
    }
  }
}

std::string traffic_text(const RolloutForecast& forecast) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", forecast.requests_per_second);
  return std::string(text) + " requests/s and " + analysis::format_rate(forecast.error_rate) +
         " errors";
}

std::string row(const std::string& weight, const std::string& time, const std::string& detects) {
  const auto padded = [](const std::string& text) {
    return std::string(12 - std::min<std::size_t>(12, text.size()), ' ') + text;
  };
  return padded(weight) + padded(time) + "  " + detects + '\n';
}

std::string remedy(const StepForecast& step) {
  constexpr std::string_view kTolerance = "or raise analysis.tolerance.errors.absolute";
  if (!step.holdback) {
    return "allow more time, begin with a larger weight, " + std::string(kTolerance);
  }
  return "a bake.holdback of " + std::to_string(*step.holdback) + " would do; " +
         (step.time ? "or allow more time, " : "") + std::string(kTolerance);
}

void warn(const RolloutForecast& forecast, Reader& in) {
  for (std::size_t i = 0; i < forecast.steps.size(); ++i) {
    const StepForecast& step = forecast.steps[i];
    if (passes(step)) continue;
    const std::string path = "rollouts." + forecast.rollout + ".steps[" + std::to_string(i) + "]";
    const std::string needs =
        step.time ? "needs about " + format_duration_brief(*step.time) : "is never accepted";
    in.warn_at(path,
               path + ": at " + traffic_text(forecast) + " a canary as good as stable " + needs +
                   " in this step, whose max_duration is " + format_duration(step.max_duration),
               remedy(step));
  }
}

// Failures that users see while a canary as good as stable goes to the end, bake included. What
// fallback may save is not known, so nothing is said of a rollout that has it.
void warn_of_exposure(const Rollout& rollout, const RolloutForecast& forecast, Reader& in) {
  const auto max = rollout.exposure.max_failed_requests;
  if (!max || !forecast.time || !rollout.fallback.methods.empty()) return;
  double requests = 0;
  const auto add = [&](BasisPoints weight, Duration time) {
    requests +=
        forecast.requests_per_second * weight.ratio() * std::chrono::duration<double>(time).count();
  };
  for (const StepForecast& step : forecast.steps) add(step.weight, *step.time);
  add(rollout::full_weight(rollout.plan), rollout.plan.bake.duration);
  const double failed = requests * forecast.error_rate;
  if (failed < 0.5 * std::max(1.0, static_cast<double>(*max))) return;
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", std::min(failed, 1e12));
  const std::string path = "rollouts." + rollout.name + ".exposure";
  in.warn_at(path,
             path + ": at " + traffic_text(forecast) + " a canary as good as stable fails about " +
                 text + " requests until it is promoted, and max_failed_requests is " +
                 std::to_string(*max),
             "raise it, or leave it out: what is worse than stable is rolled back all the same");
}

}  // namespace

std::vector<RolloutForecast> forecast(const Config& config,
                                      const std::vector<LearnedTraffic>& learned) {
  std::vector<RolloutForecast> result;
  std::size_t steps = 0;
  for (const Rollout& rollout : config.rollouts) {
    RolloutForecast each;
    each.rollout = rollout.name;
    if (!find_traffic(rollout, learned, each)) continue;
    steps += rollout.plan.steps.size();
    if (steps > kMostForecasts) break;
    forecast_steps(rollout, each);
    result.push_back(std::move(each));
  }
  return result;
}

std::string render_forecasts(const std::vector<RolloutForecast>& forecasts) {
  std::string text;
  for (const RolloutForecast& each : forecasts) {
    const std::string learned =
        each.learned_over ? " (seen for " + format_duration_brief(*each.learned_over) + ")" : "";
    text +=
        each.rollout + ": at " + traffic_text(each) + learned + ", a canary as good as stable " +
        (each.time ? "takes about " + format_duration_brief(*each.time) : "never arrives") + '\n';
    text += row("step", "takes about", "would find in its max_duration");
    for (const StepForecast& step : each.steps) {
      text += row(
          format_percent(step.weight) + " %",
          step.time ? format_duration_brief(*step.time) : "for ever",
          step.detects ? "errors of " + analysis::format_rate(*step.detects) + " and more" : "-");
    }
  }
  return text;
}

void check_feasibility(const Config& config,
                       const std::vector<LearnedTraffic>& learned,
                       Reader& in) {
  for (const RolloutForecast& each : forecast(config, learned)) {
    warn(each, in);
    const auto rollout = config.find_rollout(each.rollout);
    if (rollout) warn_of_exposure(config.rollout(*rollout), each, in);
  }
}

}  // namespace canaryd::config
