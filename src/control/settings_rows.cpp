// Settings as rows.
#include "control/evidence_rows.hpp"
#include "control/row_values.hpp"

#include <algorithm>
#include <string>

namespace canaryd::control {
namespace {

using analysis::Settings;
using stats::LatencyQuantile;

constexpr std::size_t kNameBytesMax = 63;
constexpr std::size_t kBytesAValue = 7;

void put_name(std::vector<std::int64_t>& values, const std::string& name) {
  values.push_back(whole(name.size()));
  for (std::size_t i = 0; i < name.size(); i += kBytesAValue) {
    std::uint64_t packed = 0;
    for (const char byte : name.substr(i, kBytesAValue)) {
      packed = (packed << 8U) | static_cast<unsigned char>(byte);
    }
    values.push_back(whole(packed));
  }
}

std::string take_name(Values& values, std::size_t bytes_max = kNameBytesMax) {
  const std::uint64_t length = values.next_up_to(whole(bytes_max));
  std::string name;
  while (values.good() && name.size() < length) {
    const std::uint64_t packed = values.next_count();
    const std::size_t bytes = std::min<std::size_t>(kBytesAValue, length - name.size());
    for (std::size_t i = bytes; i > 0; --i) {
      name.push_back(static_cast<char>((packed >> (8U * (i - 1))) & 0xffU));
    }
  }
  return name;
}

bool probability(double value) noexcept {
  return value > 0 && value <= 0.5;
}

bool is_share(double value) noexcept {
  return value >= 0 && value <= 1;
}

bool factor(double value) noexcept {
  return value >= 0 && value < 1e9;
}

bool sound(const analysis::Limits& limits) noexcept {
  const bool durations =
      std::all_of(limits.latency.begin(), limits.latency.end(), [](const auto& limit) {
        return !limit || stats::latency_bucket(*limit) > 0;
      });
  return durations && (!limits.errors || (*limits.errors > 0 && *limits.errors < 1));
}

bool sound(const analysis::Tolerance& tolerance) noexcept {
  return factor(tolerance.relative) && is_share(tolerance.absolute);
}

bool sound(const Settings& settings) noexcept {
  const analysis::LatencyTolerance& latency = settings.tolerance.latency;
  return probability(settings.false_rollback) && probability(settings.false_accept) &&
         sound(settings.tolerance.errors) && factor(latency.stretch) && sound(latency.share()) &&
         settings.burst_guard > 0 && factor(settings.burst_guard) && sound(settings.limits) &&
         (!settings.tolerance.feedback || sound(settings.tolerance.feedback->share())) &&
         (!settings.tolerance.client_errors || sound(*settings.tolerance.client_errors));
}

void put_feedback_settings(std::vector<std::int64_t>& values,
                           const analysis::FeedbackTolerance& feedback) {
  values.insert(values.end(),
                {static_cast<std::int64_t>(Part::kFeedback),
                 bits(feedback.relative),
                 bits(feedback.absolute),
                 feedback.required ? 1 : 0});
}

void take_feedback_settings(Values& values, Settings& settings) {
  analysis::FeedbackTolerance& feedback = settings.tolerance.feedback.emplace();
  feedback.relative = values.next_double();
  feedback.absolute = values.next_double();
  feedback.required = values.next_up_to(1) == 1;
}

void put_client_errors(std::vector<std::int64_t>& values, const analysis::Tolerance& tolerance) {
  values.insert(values.end(),
                {static_cast<std::int64_t>(Part::kClientErrors),
                 bits(tolerance.relative),
                 bits(tolerance.absolute)});
}

void take_client_errors(Values& values, Settings& settings) {
  analysis::Tolerance& tolerance = settings.tolerance.client_errors.emplace();
  tolerance.relative = values.next_double();
  tolerance.absolute = values.next_double();
}

// A limit of 0 is none.
void put_limits(std::vector<std::int64_t>& values, const analysis::Limits& limits) {
  if (!limits.any()) return;
  values.insert(values.end(),
                {static_cast<std::int64_t>(Part::kLimits), bits(limits.errors.value_or(0))});
  for (const auto& limit : limits.latency) values.push_back(limit.value_or(Duration{}).count());
}

void take_limits(Values& values, analysis::Limits& limits) {
  if (const double errors = values.next_double(); errors != 0) limits.errors = errors;
  for (auto& limit : limits.latency) {
    if (const std::uint64_t length = values.next_count(); length > 0)
      limit = Duration(whole(length));
  }
}

void put_segments(std::vector<std::int64_t>& values, const std::vector<std::string>& segments) {
  if (segments.empty()) return;
  values.insert(values.end(), {static_cast<std::int64_t>(Part::kSegments), whole(segments.size())});
  for (const std::string& segment : segments) put_name(values, segment);
}

void take_segments(Values& values, Settings& settings) {
  const std::uint64_t count = values.next_up_to(Settings::kMaxSegments);
  for (std::uint64_t i = 0; i < count && values.good(); ++i) {
    settings.segments.push_back(take_name(values, Settings::kSegmentNameBytesMax));
  }
}

// What came with latency; a run that began earlier judges errors alone.
void take_latency_settings(Values& values, Settings& settings) {
  settings.latency_quantiles.clear();
  settings.routes.clear();
  if (values.empty()) return;
  settings.tolerance.latency.stretch = values.next_double();
  settings.tolerance.latency.floor = Duration(whole(values.next_count()));
  settings.tolerance.latency.relative = values.next_double();
  settings.tolerance.latency.absolute = values.next_double();
  settings.warm_up = Duration(whole(values.next_count()));
  const std::uint64_t quantiles = values.next_up_to(kAllQuantiles);
  for (std::size_t q = 0; q < stats::kLatencyQuantiles; ++q) {
    if (((quantiles >> q) & 1U) == 0) continue;
    settings.latency_quantiles.push_back(static_cast<LatencyQuantile>(q));
  }
  const std::uint64_t routes = values.next_up_to(Settings::kMaxRoutes);
  for (std::uint64_t i = 0; i < routes; ++i) settings.routes.push_back(take_name(values));
}

// A run that began without a part does not judge it.
void take_settings_parts(Values& values, Settings& settings) {
  settings.limits = {};
  settings.tolerance.feedback.reset();
  settings.tolerance.client_errors.reset();
  settings.segments.clear();
  std::uint64_t seen = 0;
  while (values.good() && !values.empty()) {
    switch (next_part(values, seen)) {
      case Part::kLimits:
        take_limits(values, settings.limits);
        break;
      case Part::kFeedback:
        take_feedback_settings(values, settings);
        break;
      case Part::kClientErrors:
        take_client_errors(values, settings);
        break;
      case Part::kSegments:
        take_segments(values, settings);
        break;
      default:
        values.fail_unless(false);
    }
  }
}

}  // namespace

std::vector<std::int64_t> settings_values(const Settings& settings) {
  const analysis::LatencyTolerance& latency = settings.tolerance.latency;
  std::int64_t quantiles = 0;
  for (const LatencyQuantile quantile : settings.latency_quantiles) {
    quantiles |= std::int64_t{1} << static_cast<unsigned>(quantile);
  }
  std::vector<std::int64_t> values = {bits(settings.false_rollback),
                                      bits(settings.false_accept),
                                      bits(settings.tolerance.errors.relative),
                                      bits(settings.tolerance.errors.absolute),
                                      bits(settings.burst_guard),
                                      bits(latency.stretch),
                                      latency.floor.count(),
                                      bits(latency.relative),
                                      bits(latency.absolute),
                                      settings.warm_up.count(),
                                      quantiles,
                                      whole(settings.routes.size())};
  for (const std::string& route : settings.routes) put_name(values, route);
  put_limits(values, settings.limits);
  if (settings.tolerance.feedback) put_feedback_settings(values, *settings.tolerance.feedback);
  if (settings.tolerance.client_errors)
    put_client_errors(values, *settings.tolerance.client_errors);
  put_segments(values, settings.segments);
  return values;
}

Result<Settings> read_settings(std::span<const std::int64_t> row, Settings settings) {
  Values values(row);
  settings.false_rollback = values.next_double();
  settings.false_accept = values.next_double();
  settings.tolerance.errors.relative = values.next_double();
  settings.tolerance.errors.absolute = values.next_double();
  settings.burst_guard = values.next_double();
  take_latency_settings(values, settings);
  take_settings_parts(values, settings);
  if (!values.good() || !values.empty() || !sound(settings)) {
    return fail(ErrorCode::kMalformed, "settings row is too short or out of range");
  }
  return settings;
}

}  // namespace canaryd::control
