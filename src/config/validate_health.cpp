// Whether endpoints can be taken out of use in the way the file says.
#include "config/codec.hpp"
#include "config/reader.hpp"
#include "config/validate.hpp"

#include <string>

namespace canaryd::config {
namespace {

void check_outliers(const Upstream& upstream, const std::string& path, Reader& in) {
  if (!upstream.outlier_detection || in.is_bad(path)) return;
  const std::size_t endpoints = upstream.endpoints.size();
  const std::uint8_t percent = upstream.outlier_detection->max_ejected;
  if (percent * endpoints >= 100) return;
  in.warn_at(path + ".outlier_detection",
             path + ": no endpoint is ever ejected: " + std::to_string(percent) + " % of " +
                 std::to_string(endpoints) + " is less than one",
             "raise max_ejected, or list more endpoints");
}

}  // namespace

void check_health(const Config& config, Reader& in) {
  for (const Upstream& upstream : config.upstreams) {
    if (!is_name(upstream.name)) continue;
    check_outliers(upstream, "upstreams." + upstream.name, in);
  }
}

}  // namespace canaryd::config
