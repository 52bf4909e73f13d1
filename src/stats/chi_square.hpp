// Chi-square over its degrees of freedom, as a quantile: `deviate` is that of the normal
// distribution (Wilson, Hilferty 1931). Private to stats; pure.
#pragma once

#include <cmath>

namespace canaryd::stats {

[[nodiscard]] inline double chi_square_ratio(double degrees, double deviate) noexcept {
  const double spread = 2 / (9 * degrees);
  return std::pow(1 - spread + deviate * std::sqrt(spread), 3);
}

}  // namespace canaryd::stats
