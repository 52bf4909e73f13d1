#include "canaryd/config/feasibility.hpp"

#include "canaryd/analysis/feasibility.hpp"
#include "canaryd/analysis/verdict.hpp"
#include "canaryd/base/units.hpp"
#include "config/reader.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>

namespace canaryd::config {
namespace {

// What the plan asks for besides evidence.
Duration least_time(const rollout::Step& step, double canary_a_second) {
  const std::chrono::duration<double> requests(static_cast<double>(step.min_requests) /
                                               canary_a_second);
  constexpr std::chrono::duration<double> kMost = std::chrono::hours(24 * 10'000);
  return std::max(
      step.min_duration,
      std::chrono::ceil<std::chrono::seconds>(std::min(requests, kMost)) + Duration::zero());
}

// Latency is not looked at before the canary is warm.
Duration warm_up(const Rollout& rollout, std::size_t index) {
  const bool warms_up = index == 0 && !rollout.analysis.latency_quantiles.empty();
  return warms_up ? rollout.analysis.warm_up : Duration::zero();
}

// Whether a canary is likely to be found in a step before it ends.
class Detection {
 public:
  Detection(const Rollout& rollout, const analysis::Traffic& traffic, std::size_t index)
      : settings_(rollout.analysis),
        traffic_(traffic),
        weight_(rollout::step_weight(rollout.plan, index)),
        next_weight_(rollout::weight_above(rollout.plan, weight_)),
        max_duration_(rollout.plan.steps[index].max_duration),
        least_time_(
            least_time(rollout.plan.steps[index], traffic.requests_per_second * weight_.ratio())),
        warm_up_(warm_up(rollout, index)) {}

  // The least of a regression that is, at most `worst`.
  template <class CanaryOf>
  [[nodiscard]] std::optional<double> least(double best,
                                            double worst,
                                            const CanaryOf& canary_of) const {
    const auto in_time = [&](double value) { return detected_in_time(canary_of(value)); };
    if (!in_time(worst)) return std::nullopt;
    const double low = bisect(best, worst, 30, in_time);
    const auto first = [&](double value) {
      return in_time(value) && !accepted_first(canary_of(value));
    };
    if (first(low)) return low;
    if (!first(worst)) return std::nullopt;
    return bisect(low, worst, kLooks, first);
  }

 private:
  // Each takes some milliseconds; seven tell a factor of a hundred to within 4 %.
  static constexpr int kLooks = 7;

  // The least value, by ratios, of which `holds` says yes, if it does so of all above.
  template <class Holds>
  static double bisect(double low, double high, int looks, const Holds& holds) {
    // Nothing can be halved by ratios from 0.
    low = std::max(low, high * 1e-9);
    for (int i = 0; i < looks; ++i) {
      const double middle = std::sqrt(low * high);
      (holds(middle) ? high : low) = middle;
    }
    return high;
  }

  [[nodiscard]] std::optional<Duration> time_to_detect(const analysis::Canary& canary) const {
    const auto need = analysis::need_to_detect(settings_, traffic_, canary, weight_);
    if (!need) return std::nullopt;
    // That is the average: many take longer.
    constexpr double kMargin = 1.5;
    const auto time = std::chrono::ceil<std::chrono::seconds>(kMargin * need->time);
    return time + (canary.stretch > 1 ? warm_up_ : Duration::zero());
  }
  [[nodiscard]] bool detected_in_time(const analysis::Canary& canary) const {
    const auto time = time_to_detect(canary);
    return time && *time <= max_duration_;
  }
  [[nodiscard]] bool accepted_first(const analysis::Canary& canary) const {
    const auto need = analysis::need_to_accept(settings_, traffic_, canary, weight_, next_weight_);
    if (!need) return false;
    const auto found = time_to_detect(canary);
    return !found || std::max(least_time_, warm_up_ + need->time) < *found;
  }

  const analysis::Settings& settings_;
  const analysis::Traffic& traffic_;
  BasisPoints weight_;
  BasisPoints next_weight_;
  Duration max_duration_;
  Duration least_time_;
  Duration warm_up_;
};

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
  if (need) result.time = std::max(least, warm_up(rollout, index) + need->time);
  result.votes = analysis::votes_to_accept(
      rollout.analysis, result.weight, rollout::weight_above(rollout.plan, result.weight));
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

void forecast_detection(const Rollout& rollout, RolloutForecast& result) {
  constexpr double kSlowest = 100;
  const analysis::Traffic traffic{result.requests_per_second, result.error_rate};
  for (std::size_t i = 0; i < result.steps.size(); ++i) {
    StepForecast& step = result.steps[i];
    const bool compares = step.weight.value() > 0 && step.weight.value() < BasisPoints::kMax;
    if (!compares) continue;
    const Detection detection(rollout, traffic, i);
    step.detects = detection.least(
        traffic.error_rate, 1, [](double rate) { return analysis::Canary{.error_rate = rate}; });
    step.detects_stretch = detection.least(1, kSlowest, [&](double stretch) {
      return analysis::Canary{.error_rate = traffic.error_rate, .stretch = stretch};
    });
  }
}

// Without what would be detected, which takes the longest to say.
std::vector<RolloutForecast> forecast_times(const Config& config,
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

std::string detection_text(const StepForecast& step) {
  std::string text;
  if (step.detects) text = "errors of " + analysis::format_rate(*step.detects);
  if (step.detects_stretch) {
    char times[32];
    std::snprintf(times, sizeof times, "%.3gx", *step.detects_stretch);
    text += (text.empty() ? "" : ", ") + std::string("responses ") + times + " as long";
  }
  return text.empty() ? "-" : text + " and more";
}

// A step without votes is held, and nobody knows how many will come.
std::string votes_text(const RolloutForecast& forecast) {
  std::optional<double> least;
  std::optional<double> most;
  for (const StepForecast& step : forecast.steps) {
    if (!step.votes) continue;
    least = std::min(least.value_or(*step.votes), *step.votes);
    most = std::max(most.value_or(*step.votes), *step.votes);
  }
  if (!least) return {};
  char text[64];
  std::snprintf(text, sizeof text, "%.0f to %.0f", std::ceil(*least), std::ceil(*most));
  return "feedback is required: a step waits for votes besides, about " + std::string(text) +
         " of the canary's users if all give 4 of 5, and without votes it is held\n";
}

std::string remedy(const StepForecast& step) {
  constexpr std::string_view kTolerance = "or raise analysis.tolerance.errors.absolute";
  if (!step.holdback) {
    if (step.weight.value() == 0) return "begin with a larger weight";
    // Neither more time nor more traffic helps.
    if (!step.time) return "raise analysis.tolerance.errors.absolute";
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
        step.time ? "needs about " + format_duration_brief(*step.time) +
                        " in this step, whose max_duration is " + format_duration(step.max_duration)
                  : "is never accepted in this step, however much traffic comes";
    in.warn_at(path,
               path + ": at " + traffic_text(forecast) + " a canary as good as stable " + needs,
               remedy(step));
  }
}

// Where no traffic is expected there is no forecast that would say so.
void warn_of_no_tolerance(const Rollout& rollout, Reader& in) {
  const analysis::Tolerance& errors = rollout.analysis.tolerance.errors;
  if (errors.relative > 0 || errors.absolute > 0) return;
  // Weights rise: then it is the only step.
  if (rollout::step_weight(rollout.plan, 0).value() == BasisPoints::kMax) return;
  const std::string path = "rollouts." + rollout.name + ".analysis.tolerance.errors";
  in.warn_at(path,
             path + ": without any tolerance a canary as good as stable is never accepted in a " +
                 "step below 100 %, however much traffic comes",
             "raise analysis.tolerance.errors.absolute");
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

// How often so many requests in a row fail by chance.
double runs_per_hour(double requests_per_second, double error_rate, std::uint64_t length) {
  const double run = std::pow(error_rate, static_cast<double>(length));
  return 3600 * requests_per_second * run * (1 - error_rate) / (1 - run);
}

// A circuit that an ordinary hour opens, for a canary as good as stable with most of the users.
void warn_of_trips(const Rollout& rollout, const RolloutForecast& forecast, Reader& in) {
  constexpr std::uint64_t kMost = 10'000;
  const std::uint64_t failures = rollout.circuit.consecutive_failures;
  if (failures == 0) return;
  const double rate = forecast.requests_per_second * rollout::full_weight(rollout.plan).ratio();
  const double errors = std::min(forecast.error_rate, 0.999);
  const double trips = runs_per_hour(rate, errors, failures);
  if (trips <= 1) return;
  std::uint64_t enough = failures;
  while (enough < kMost && runs_per_hour(rate, errors, enough) > 1) ++enough;
  char text[32] = "more than 1000";
  if (trips <= 1000) std::snprintf(text, sizeof text, "about %.3g", trips);
  const std::string path = "rollouts." + rollout.name + ".circuit";
  in.warn_at(path,
             path + ": at " + traffic_text(forecast) + " a canary as good as stable fails " +
                 std::to_string(failures) + (failures == 1 ? " request" : " requests in a row") +
                 " " + text + " times an hour, and is suspended by that",
             "raise consecutive_failures to " + std::to_string(enough));
}

}  // namespace

std::vector<RolloutForecast> forecast(const Config& config,
                                      const std::vector<LearnedTraffic>& learned) {
  std::vector<RolloutForecast> result = forecast_times(config, learned);
  for (RolloutForecast& each : result) {
    forecast_detection(config.rollout(*config.find_rollout(each.rollout)), each);
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
    text += row("step", "takes about", "is likely to find");
    for (const StepForecast& step : each.steps) {
      text += row(format_percent(step.weight) + " %",
                  step.time ? format_duration_brief(*step.time) : "for ever",
                  detection_text(step));
    }
    text += votes_text(each);
  }
  return text;
}

void check_feasibility(const Config& config,
                       const std::vector<LearnedTraffic>& learned,
                       Reader& in) {
  std::set<std::string_view> foretold;
  const auto forecasts = forecast_times(config, learned);
  for (const RolloutForecast& each : forecasts) {
    foretold.insert(each.rollout);
    warn(each, in);
    const auto rollout = config.find_rollout(each.rollout);
    if (!rollout) continue;
    warn_of_exposure(config.rollout(*rollout), each, in);
    warn_of_trips(config.rollout(*rollout), each, in);
  }
  for (const Rollout& rollout : config.rollouts) {
    if (!foretold.contains(rollout.name)) warn_of_no_tolerance(rollout, in);
  }
}

}  // namespace canaryd::config
