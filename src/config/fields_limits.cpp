// Rollouts: absolute bounds on the canary.
#include "config/fields.hpp"

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;
using analysis::Limits;

auto of(stats::LatencyQuantile quantile) {
  return [index = static_cast<std::size_t>(quantile)](Limits & limits) -> auto& {
    return limits.latency.at(index);
  };
}

}  // namespace

const Section<Limits>& analysis_limits_section() {
  static const auto made = [] {
    using stats::LatencyQuantile;
    Section<Limits> s("Analysis limits");
    s.add("errors",
          &Limits::errors,
          optional(percent(0.001, 99)),
          "At most this percentage of the canary's requests may fail.");
    const auto add = [&s](std::string_view key, LatencyQuantile quantile, std::string_view help) {
      s.add(key, of(quantile), optional(duration(1ms, 20min)), help);
    };
    add("latency_p50", LatencyQuantile::kP50, "Half of the responses take at most this long.");
    add("latency_p90", LatencyQuantile::kP90, "90 % of them do.");
    add("latency_p99", LatencyQuantile::kP99, "99 %.");
    add("latency_p99.9", LatencyQuantile::kP999, "99.9 %.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
