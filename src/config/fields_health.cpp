// The keys by which endpoints are taken out of use and come back.
#include "config/codec.hpp"
#include "config/fields.hpp"
#include "config/section.hpp"

#include <cstddef>
#include <string_view>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// As it goes into a request line (RFC 9112, section 3.2.1): path and query, and no fragment.
bool is_target(std::string_view text) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?";
  if (!text.starts_with('/')) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (kPlain.find(text[at]) != std::string_view::npos) continue;
    const std::string_view digits = text.substr(at + 1, 2);
    if (text[at] != '%' || digits.size() != 2) return false;
    if (!is_hex_digit(digits[0]) || !is_hex_digit(digits[1])) return false;
    at += 2;
  }
  return true;
}

}  // namespace

const Section<HealthCheck>& health_section() {
  static const auto made = [] {
    Section<HealthCheck> s("HealthCheck");
    s.add("path",
          &HealthCheck::path,
          secret(Node::Secret::kUrl,
                 text({"a path that begins with /, escaped as in a URL and without fragment",
                       "/([-A-Za-z0-9._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*",
                       is_target,
                       1024})),
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
