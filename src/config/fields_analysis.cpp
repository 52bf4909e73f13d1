// Rollouts: when the canary is good or bad.
#include "config/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

const Section<analysis::Tolerance>& tolerance_section() {
  static const auto made = [] {
    using analysis::Tolerance;
    Section<Tolerance> s("Tolerance");
    s.add("relative",
          &Tolerance::relative,
          percent(0, 1000),
          "Worse by this percentage of stable's rate is fine.");
    s.add("absolute",
          &Tolerance::absolute,
          percent(0, 100),
          "Worse by this many percentage points is fine, on top of it.");
    return s;
  }();
  return made;
}

const Section<analysis::LatencyTolerance>& latency_tolerance_section() {
  static const auto made = [] {
    using analysis::LatencyTolerance;
    Section<LatencyTolerance> s("Latency tolerance");
    s.add("stretch",
          &LatencyTolerance::stretch,
          percent(0, 10'000),
          "Slower by this percentage is fine, in steps of 5 % and at least one of them.");
    s.add("floor",
          &LatencyTolerance::floor,
          duration(0s, 1h),
          "Slower by this much is fine as well: less is not told apart.");
    s.add("relative",
          &LatencyTolerance::relative,
          percent(0, 1000),
          "So much more of the responses, as a percentage of stable's share, may be slow.");
    s.add("absolute",
          &LatencyTolerance::absolute,
          percent(0, 100),
          "And so many percentage points more, on top of it.");
    return s;
  }();
  return made;
}

const Section<analysis::FeedbackTolerance>& feedback_tolerance_section() {
  static const auto made = [] {
    using analysis::FeedbackTolerance;
    Section<FeedbackTolerance> s("Feedback tolerance");
    s.add("relative",
          &FeedbackTolerance::relative,
          percent(0, 1000),
          "A vote is bad by 0 (score 5) to 100 % (score 1); the canary's mean may be worse than "
          "stable's by this percentage of it.");
    s.add("absolute",
          &FeedbackTolerance::absolute,
          percent(0, 100),
          "And by so many percentage points, on top of it.");
    s.add("required",
          &FeedbackTolerance::required,
          boolean(),
          "A step waits until the votes are good enough; else they can only roll back.");
    return s;
  }();
  return made;
}

const Section<analysis::Tolerances>& tolerances_section() {
  static const auto made = [] {
    Section<analysis::Tolerances> s("Tolerances");
    s.add("errors",
          &analysis::Tolerances::errors,
          section(tolerance_section()),
          "How much worse the canary's error rate may be.");
    s.add("latency",
          &analysis::Tolerances::latency,
          section(latency_tolerance_section()),
          "How much slower the canary may be.");
    s.add("feedback",
          &analysis::Tolerances::feedback,
          optional(section(feedback_tolerance_section())),
          "How much worse the votes of users may be; not set: they are counted, and not judged.");
    s.add("client_errors",
          &analysis::Tolerances::client_errors,
          optional(section(tolerance_section())),
          "How many more of the canary's responses may be 4xx that are no failures: steps wait for "
          "it, and it never rolls back; not set: they are not judged.");
    return s;
  }();
  return made;
}

// "5xx", "503" or "500-504".
std::optional<analysis::StatusRange> parse_status(std::string_view text) {
  const auto number = [](std::string_view digits) -> std::optional<std::uint16_t> {
    std::uint16_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end || value < 100 || value > 599) return std::nullopt;
    return value;
  };
  if (text.size() == 3 && text.substr(1) == "xx" && text[0] >= '1' && text[0] <= '5') {
    const auto first = static_cast<std::uint16_t>((text[0] - '0') * 100);
    return analysis::StatusRange{first, static_cast<std::uint16_t>(first + 99)};
  }
  const std::size_t dash = text.find('-');
  const auto first = number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return analysis::StatusRange{*first, *last};
}

Codec<analysis::StatusRange> status_range() {
  using analysis::StatusRange;
  Codec<StatusRange> codec;
  codec.shape.kind = Shape::Kind::kEither;
  codec.shape.type = "5xx, 503 or 500-504";
  Shape class_or_range;
  class_or_range.kind = Shape::Kind::kText;
  class_or_range.pattern = "^([1-5]xx|[1-5][0-9][0-9](-[1-5][0-9][0-9])?)$|\\$\\{";
  codec.shape.alternatives = {integer(100, 599).shape, class_or_range};
  codec.read = [](Reader& in, const Node& node, StatusRange& out) {
    const std::string what = "a status such as 5xx, 503 or 500-504";
    if (!is_text(in, node, what)) return false;
    const auto range = parse_status(node.text);
    if (!range) return in.expected(node, what);
    out = *range;
    return true;
  };
  codec.write = [](const StatusRange& range, const Names& /*names*/) {
    const std::string first = std::to_string(range.first);
    if (range.first == range.last) return std::optional(Node::literal(first));
    if (range.first % 100 == 0 && range.last == range.first + 99) {
      return std::optional(Node::string(first.substr(0, 1) + "xx"));
    }
    return std::optional(Node::string(first + "-" + std::to_string(range.last)));
  };
  return codec;
}

const Section<analysis::ErrorClasses>& errors_section() {
  static const auto made = [] {
    using analysis::ErrorClasses;
    Section<ErrorClasses> s("Errors");
    s.add("status",
          &ErrorClasses::status,
          list_of(status_range(), 0, 100),
          "Response codes that are failures.");
    s.add("grpc_status",
          &ErrorClasses::grpc_status,
          list_of(narrow<std::uint8_t>(integer(1, 16)), 0, 16),
          "The same for gRPC responses, by the number of the status.");
    s.add("reset",
          &ErrorClasses::reset,
          boolean(),
          "A connection refused, reset or closed too early is one.");
    s.add("timeout", &ErrorClasses::timeout, boolean(), "Every timeout of the upstream is one.");
    return s;
  }();
  return made;
}

using Quantiles = std::vector<stats::LatencyQuantile>;
constexpr std::array<std::string_view, stats::kLatencyQuantiles> kQuantileTexts = {
    "50", "90", "99", "99.9"};

Codec<stats::LatencyQuantile> latency_quantile() {
  using stats::LatencyQuantile;
  Codec<LatencyQuantile> codec;
  codec.shape = number(50, 99.9).shape;
  codec.shape.type = "50, 90, 99 or 99.9";
  codec.read = [type = codec.shape.type](Reader& in, const Node& node, LatencyQuantile& out) {
    if (!is_literal(in, node, type)) return false;
    const auto* const found = std::find(kQuantileTexts.begin(), kQuantileTexts.end(), node.text);
    if (found == kQuantileTexts.end()) return in.expected(node, type);
    out = static_cast<LatencyQuantile>(found - kQuantileTexts.begin());
    return true;
  };
  codec.write = [](const LatencyQuantile& value, const Names& /*names*/) {
    const auto index = static_cast<std::size_t>(value);
    return std::optional(Node::literal(std::string(kQuantileTexts[index])));
  };
  return codec;
}

// In any order, each once.
Codec<Quantiles> latency_quantiles() {
  Codec<Quantiles> codec = list_of(latency_quantile(), 0, stats::kLatencyQuantiles);
  codec.read = [read = std::move(codec.read)](Reader& in, const Node& node, Quantiles& out) {
    if (!read(in, node, out)) return false;
    std::sort(out.begin(), out.end());
    if (std::adjacent_find(out.begin(), out.end()) == out.end()) return true;
    return in.error(node, "a quantile is listed twice");
  };
  return codec;
}

}  // namespace

const Section<analysis::Settings>& analysis_section() {
  static const auto made = [] {
    using analysis::Settings;
    Section<Settings> s("Analysis");
    s.add("mode",
          &Settings::mode,
          choice(kAnalysisModes),
          "`observe` reports the verdict and never acts on it.");
    s.add("false_rollback",
          &Settings::false_rollback,
          percent(0.0001, 50),
          "Odds of ever rolling back a canary that is within tolerance, over the whole rollout.");
    s.add("false_accept",
          &Settings::false_accept,
          percent(0.0001, 50),
          "Odds of taking a step although the canary is beyond that step's limit.");
    s.add("tolerance",
          &Settings::tolerance,
          section(tolerances_section()),
          "How much worse the canary may be.");
    s.add(
        "latency_quantiles",
        &Settings::latency_quantiles,
        latency_quantiles(),
        "Which quantiles of the latency are judged; an empty list: none. A step waits for all but "
        "99.9, which can only roll back.");
    s.add("warm_up",
          &Settings::warm_up,
          duration(0s, kDay),
          "Latency is left out so long after the canary's first request.");
    s.add("dedupe_window",
          &Settings::dedupe_window,
          duration(0s, kDay),
          "A client that fails again within this time counts once.");
    s.add("burst_guard",
          &Settings::burst_guard,
          number(0.1, 10),
          "Evidence, in nats, that one second may add: lower is calmer and slower.");
    s.add("watch",
          &Settings::watch,
          watches(),
          "Segments of the traffic, such as tenants or browsers, that are judged by their errors "
          "on their own as well; at most 64 values in all.");
    s.add("errors",
          &Settings::errors,
          section(errors_section()),
          "What counts as a failure of the version.");
    s.add("limits",
          &Settings::limits,
          section(analysis_limits_section()),
          "Absolute bounds on the canary, whatever stable does: they judge at 100 % as well.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
