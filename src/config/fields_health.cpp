// The keys by which endpoints are taken out of use and come back.
#include "config/codec.hpp"
#include "config/fields.hpp"
#include "config/section.hpp"

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

constexpr Duration kDay = std::chrono::hours(24);

}  // namespace

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
