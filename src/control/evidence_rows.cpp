#include "control/evidence_rows.hpp"

#include <algorithm>
#include <bit>
#include <string>

namespace canaryd::control {
namespace {

using analysis::Settings;
using stats::LatencyQuantile;

// Doubles go into the rows bit by bit, so that a replay computes with the same numbers.
std::int64_t bits(double value) noexcept {
  return std::bit_cast<std::int64_t>(value);
}
double number(std::int64_t value) noexcept {
  return std::bit_cast<double>(value);
}

std::int64_t whole(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value);
}

// Takes one value after the other. Past the end, or out of bounds, it is not good() any more.
class Values {
 public:
  explicit Values(std::span<const std::int64_t> values) : left_(values) {}

  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }
  [[nodiscard]] bool good() const noexcept { return good_; }

  std::int64_t next() noexcept {
    if (left_.empty()) {
      good_ = false;
      return 0;
    }
    const std::int64_t value = left_.front();
    left_ = left_.subspan(1);
    return value;
  }
  double next_double() noexcept { return number(next()); }
  std::uint64_t next_up_to(std::int64_t most) noexcept {
    const std::int64_t value = next();
    if (value >= 0 && value <= most) return static_cast<std::uint64_t>(value);
    good_ = false;
    return 0;
  }
  std::uint64_t next_count() noexcept { return next_up_to(INT64_MAX); }
  template <class Small>
  Small next_small(std::int64_t most) noexcept {
    return static_cast<Small>(next_up_to(most));
  }
  void fail_unless(bool fine) noexcept { good_ = good_ && fine; }

 private:
  std::span<const std::int64_t> left_;
  bool good_ = true;
};

constexpr std::int64_t kAllQuantiles = (1 << stats::kLatencyQuantiles) - 1;
constexpr std::int64_t kLastBucket = stats::kLatencyBuckets - 1;
constexpr std::size_t kNameBytesMax = 63;
constexpr std::size_t kBytesAValue = 7;

// What came later than routes follows in parts, each with its number; a part that says nothing is
// left out. Numbers are never used again.
enum class Part : std::int64_t { kLimits = 1, kFeedback = 2, kClientErrors = 3, kSegments = 4 };

// ---- Settings

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

bool share(double value) noexcept {
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
  return factor(tolerance.relative) && share(tolerance.absolute);
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
  while (values.good() && !values.empty()) {
    switch (static_cast<Part>(values.next())) {
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

// ---- Blocks

void put_latency(std::vector<std::int64_t>& values, const stats::LatencyCounts& latency) {
  std::int64_t judged = 0;
  for (std::size_t q = 0; q < latency.slow.size(); ++q) {
    if (latency.slow[q].judged()) judged |= std::int64_t{1} << q;
  }
  values.push_back(judged);
  if (judged == 0) return;
  values.insert(values.end(), {whole(latency.stable_n), whole(latency.canary_n)});
  for (const stats::SlowCounts& slow : latency.slow) {
    if (!slow.judged()) continue;
    values.insert(values.end(),
                  {slow.threshold,
                   slow.limit,
                   slow.limit_next,
                   whole(slow.stable_slow),
                   whole(slow.canary_slow),
                   whole(slow.canary_slow_next)});
  }
}

stats::LatencyCounts take_latency(Values& values) {
  stats::LatencyCounts latency;
  const std::uint64_t judged = values.next_up_to(kAllQuantiles);
  if (judged == 0) return latency;
  latency.stable_n = values.next_count();
  latency.canary_n = values.next_count();
  for (std::size_t q = 0; q < latency.slow.size(); ++q) {
    if (((judged >> q) & 1U) == 0) continue;
    stats::SlowCounts& slow = latency.slow[q];
    slow.threshold = values.next_small<std::uint16_t>(kLastBucket);
    slow.limit = values.next_small<std::uint16_t>(kLastBucket);
    slow.limit_next = values.next_small<std::uint16_t>(kLastBucket);
    slow.stable_slow = values.next_count();
    slow.canary_slow = values.next_count();
    slow.canary_slow_next = values.next_count();
    values.fail_unless(slow.judged() && slow.threshold <= slow.limit &&
                       slow.limit <= slow.limit_next && slow.stable_slow <= latency.stable_n &&
                       slow.canary_slow_next <= slow.canary_slow &&
                       slow.canary_slow <= latency.canary_n);
  }
  return latency;
}

void put_counts(std::vector<std::int64_t>& values, const stats::CohortCounts& counts) {
  values.insert(values.end(), {whole(counts.n), whole(counts.bad)});
}

stats::CohortCounts take_counts(Values& values) {
  stats::CohortCounts counts;
  counts.n = values.next_count();
  counts.bad = values.next_count();
  values.fail_unless(counts.bad <= counts.n);
  return counts;
}

void put_comparison(std::vector<std::int64_t>& values, const stats::Comparison& comparison) {
  values.push_back(comparison.seconds);
  put_counts(values, comparison.stable);
  put_counts(values, comparison.canary);
  put_latency(values, comparison.latency);
}

stats::Comparison take_comparison(Values& values) {
  stats::Comparison comparison;
  comparison.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
  comparison.stable = take_counts(values);
  comparison.canary = take_counts(values);
  comparison.latency = take_latency(values);
  return comparison;
}

void put_routes(std::vector<std::int64_t>& values, const stats::Block& block) {
  values.push_back(whole(block.routes.size()));
  for (const stats::RouteComparison& route : block.routes) {
    values.push_back(route.route);
    put_comparison(values, route.counts);
  }
}

void take_routes(Values& values, stats::Block& block) {
  const std::uint64_t routes = values.next_up_to(Settings::kMaxRoutes);
  for (std::uint64_t i = 0; i < routes && values.good(); ++i) {
    stats::RouteComparison& route = block.routes.emplace_back();
    route.route = values.next_small<std::uint32_t>(Settings::kMaxRoutes - 1);
    route.counts = take_comparison(values);
  }
}

void put_limits(std::vector<std::int64_t>& values, const stats::Block& block) {
  if (!block.limits.has_canary()) return;
  values.push_back(static_cast<std::int64_t>(Part::kLimits));
  put_comparison(values, block.limits);
}

void put_votes(std::vector<std::int64_t>& values, const stats::VoteCounts& votes) {
  values.insert(values.end(), {whole(votes.n), whole(votes.quarters)});
}

stats::VoteCounts take_votes(Values& values) {
  stats::VoteCounts votes;
  votes.n = values.next_count();
  votes.quarters = values.next_count();
  values.fail_unless((votes.quarters + 3) / 4 <= votes.n);
  return votes;
}

void put_feedback(std::vector<std::int64_t>& values, const stats::FeedbackCounts& feedback) {
  values.insert(values.end(), {static_cast<std::int64_t>(Part::kFeedback), feedback.seconds});
  put_votes(values, feedback.stable);
  put_votes(values, feedback.canary);
}

stats::FeedbackCounts take_feedback(Values& values) {
  stats::FeedbackCounts feedback;
  feedback.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
  feedback.stable = take_votes(values);
  feedback.canary = take_votes(values);
  return feedback;
}

// Of all routes together, then of those that the row has, in its order.
template <class Block, class Each>
void for_client_errors(Block& block, const Each& each) {
  each(block.stable);
  each(block.canary);
  for (auto& route : block.routes) {
    each(route.counts.stable);
    each(route.counts.canary);
  }
}

void put_client_errors(std::vector<std::int64_t>& values, const stats::Block& block) {
  values.push_back(static_cast<std::int64_t>(Part::kClientErrors));
  for_client_errors(block, [&](const stats::CohortCounts& counts) {
    values.push_back(whole(counts.client_errors));
  });
}

void take_client_errors(Values& values, stats::Block& block) {
  for_client_errors(block, [&](stats::CohortCounts& counts) {
    counts.client_errors = values.next_count();
    values.fail_unless(counts.client_errors <= counts.n - counts.bad);
  });
}

void put_segments(std::vector<std::int64_t>& values, const stats::Block& block) {
  if (block.segments.empty()) return;
  values.insert(values.end(),
                {static_cast<std::int64_t>(Part::kSegments), whole(block.segments.size())});
  for (const stats::SegmentComparison& segment : block.segments) {
    values.insert(values.end(), {segment.segment, segment.counts.seconds});
    put_counts(values, segment.counts.stable);
    put_counts(values, segment.counts.canary);
  }
}

void take_segments(Values& values, stats::Block& block) {
  const std::uint64_t count = values.next_up_to(Settings::kMaxSegments);
  for (std::uint64_t i = 0; i < count && values.good(); ++i) {
    stats::SegmentComparison& segment = block.segments.emplace_back();
    segment.segment = values.next_small<std::uint32_t>(Settings::kMaxSegments - 1);
    segment.counts.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
    segment.counts.stable = take_counts(values);
    segment.counts.canary = take_counts(values);
  }
}

// To the end of the row.
void take_block_parts(Values& values, stats::Block& block) {
  while (values.good() && !values.empty()) {
    switch (static_cast<Part>(values.next())) {
      case Part::kLimits:
        block.limits = take_comparison(values);
        break;
      case Part::kFeedback:
        block.feedback = take_feedback(values);
        break;
      case Part::kClientErrors:
        take_client_errors(values, block);
        break;
      case Part::kSegments:
        take_segments(values, block);
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

std::vector<std::int64_t> block_values(const stats::Block& block, bool client_errors) {
  std::vector<std::int64_t> values = {
      block.start_second, block.seconds, whole(block.epoch), block.step};
  put_counts(values, block.stable);
  put_counts(values, block.canary);
  const bool voted = block.feedback.comparable();
  const bool errors_only = !block.latency.judged() && block.routes.empty() &&
                           block.segments.empty() && !block.limits.has_canary() && !voted &&
                           !client_errors;
  if (errors_only) return values;
  put_latency(values, block.latency);
  put_routes(values, block);
  put_limits(values, block);
  if (voted) put_feedback(values, block.feedback);
  if (client_errors) put_client_errors(values, block);
  put_segments(values, block);
  return values;
}

Result<stats::Block> read_block(std::span<const std::int64_t> row) {
  Values values(row);
  stats::Block block;
  block.start_second = whole(values.next_count());
  block.seconds = values.next_small<std::uint32_t>(UINT32_MAX);
  block.epoch = values.next_count();
  block.step = values.next_small<std::uint32_t>(UINT32_MAX);
  block.stable = take_counts(values);
  block.canary = take_counts(values);
  if (!values.empty()) {
    block.latency = take_latency(values);
    take_routes(values, block);
    take_block_parts(values, block);
  }
  if (!values.good() || !values.empty()) {
    return fail(ErrorCode::kMalformed, "block row is too short or out of range");
  }
  return block;
}

}  // namespace canaryd::control
