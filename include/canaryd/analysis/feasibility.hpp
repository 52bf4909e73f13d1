// How much traffic a plan needs, before it runs: for `validate`, `status` and `quick`. The
// accounts' average drift under steady traffic, with the best bet alone; so the forecast of
// acceptance errs on the long side (in simulations by 40 to 60 %), and a single run differs from it
// by chance. Pure.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"

#include <optional>

namespace canaryd::analysis {

// What is expected of the service as a whole.
struct Traffic {
  double requests_per_second = 0;
  double error_rate = 0;  // Of stable, a fraction.
};

struct Need {
  double canary_requests = 0;
  Duration time{};  // At most 10,000 days.
};

// Until a canary as good as stable is accepted from `weight` to `next_weight`. Nothing: never, or
// no traffic.
[[nodiscard]] std::optional<Need> need_to_accept(const Settings& settings,
                                                 const Traffic& traffic,
                                                 BasisPoints weight,
                                                 BasisPoints next_weight);

// Until a canary with this error rate is rolled back at `weight`. Nothing: it is within tolerance,
// or no traffic.
[[nodiscard]] std::optional<Need> need_to_detect(const Settings& settings,
                                                 const Traffic& traffic,
                                                 BasisPoints weight,
                                                 double canary_error_rate);

}  // namespace canaryd::analysis
