// The keys by which endpoints are taken out of use and come back.
#include "config/codec.hpp"
#include "config/fields.hpp"
#include "config/section.hpp"

#include <algorithm>
#include <string_view>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

// As it goes into a request line.
bool is_target(std::string_view text) {
  return text.starts_with('/') &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

const Section<HealthCheck>& health_section() {
  static const auto made = [] {
    Section<HealthCheck> s("HealthCheck");
    s.add("path",
          &HealthCheck::path,
          secret(Node::Secret::kUrl,
                 text({"a path that begins with /", "^/[!-~]*$", is_target, 1024})),
          "Asked by GET; any 2xx is good.");
    s.add("interval",
          &HealthCheck::interval,
          duration(100ms, 1h),
          "From one check of an endpoint to the next.");
    s.add("timeout",
          &HealthCheck::timeout,
          duration(10ms, 1min),
          "For a check, its connect included; no longer than `interval`.");
    s.add("healthy",
          &HealthCheck::healthy,
          narrow<std::uint16_t>(integer(1, 100)),
          "Good checks in a row that bring an endpoint back into use.");
    s.add("unhealthy",
          &HealthCheck::unhealthy,
          narrow<std::uint16_t>(integer(1, 100)),
          "Bad checks in a row that take it out of use.");
    return s;
  }();
  return made;
}

const Section<OutlierDetection>& outlier_section() {
  static const auto made = [] {
    Section<OutlierDetection> s("OutlierDetection");
    s.add("consecutive_failures",
          &OutlierDetection::consecutive_failures,
          narrow<std::uint16_t>(integer(1, 1000)),
          "In a row: failed connects, resets, broken answers, timeouts, 502, 503 and 504.");
    s.add("ejection",
          &OutlierDetection::ejection,
          duration(100ms, kDay),
          "How long it gets no requests after that.");
    s.add("max_ejected",
          &OutlierDetection::max_ejected,
          narrow<std::uint8_t>(integer(1, 100)),
          "At the same time, in percent of the endpoints; rounded down.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
