// Whether endpoints can be taken out of use in the way the file says.
#include "canaryd/base/units.hpp"
#include "config/codec.hpp"
#include "config/reader.hpp"
#include "config/validate.hpp"

#include <string>

namespace canaryd::config {
namespace {

void check_outliers(const Upstream& upstream, const std::string& path, Reader& in) {
  if (!upstream.outlier_detection || upstream.discovery || in.is_bad(path)) return;
  const std::size_t endpoints = upstream.endpoints.size();
  const std::uint8_t percent = upstream.outlier_detection->max_ejected;
  if (percent * endpoints >= 100) return;
  in.warn_at(path + ".outlier_detection",
             path + ": no endpoint is ever ejected: " + std::to_string(percent) + " % of " +
                 std::to_string(endpoints) + " is less than one",
             "raise max_ejected, or list more endpoints");
}

void check_timeout(const Upstream& upstream, const std::string& path, Reader& in) {
  if (!upstream.health_check || in.is_bad(path + ".health_check")) return;
  const HealthCheck& rule = *upstream.health_check;
  if (rule.timeout <= rule.interval) return;
  in.error_at_value(path + ".health_check.timeout",
                    path + ".health_check: timeout (" + format_duration(rule.timeout) +
                        ") is longer than interval (" + format_duration(rule.interval) + ")");
}

void check_slow_start(const Upstream& upstream, const std::string& path, Reader& in) {
  if (upstream.slow_start == Duration::zero() || in.is_bad(path)) return;
  if (upstream.health_check || upstream.outlier_detection) return;
  in.warn_at(path + ".slow_start",
             path + ": slow_start has no effect: no endpoint ever is out of use",
             "set health_check or outlier_detection");
}

}  // namespace

void check_health(const Config& config, Reader& in) {
  for (const Upstream& upstream : config.upstreams) {
    if (!is_name(upstream.name)) continue;
    const std::string path = "upstreams." + upstream.name;
    check_timeout(upstream, path, in);
    check_outliers(upstream, path, in);
    check_slow_start(upstream, path, in);
  }
}

}  // namespace canaryd::config
