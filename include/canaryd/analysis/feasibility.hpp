// How much traffic a plan needs, before it runs: for `validate`. For steady traffic, and medians:
// half of all canaries take longer. Acceptance is forecast by four hundred short simulations of
// the step's accounts alone, always the same ones, on blocks like those of such traffic; `canaryd
// simulate` agrees within 20 %, which a test checks (docs/statistics.md, "Your own plan");
// detection by the average drift of the best bet. Pure. A forecast takes some milliseconds.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/log_normal.hpp"

#include <optional>

namespace canaryd::analysis {

// What is expected of the service as a whole.
struct Traffic {
  double requests_per_second = 0;
  double error_rate = 0;  // Of stable, a fraction.
  // Of both versions. What matters most is how far the tail is from the median.
  stats::LogNormal latency{};
};

// What a canary is like.
struct Canary {
  double error_rate = 0;  // A fraction.
  double stretch = 1;     // Its responses take so many times as long as stable's.
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
// The same of another canary. Nothing: the evidence for it never suffices.
[[nodiscard]] std::optional<Need> need_to_accept(const Settings& settings,
                                                 const Traffic& traffic,
                                                 const Canary& canary,
                                                 BasisPoints weight,
                                                 BasisPoints next_weight);

// Where feedback is required: the votes of the canary's users, on average, until a canary that is
// voted as good as stable is accepted by them, if the mean is 4 of 5 and both versions' users vote
// as often. Nothing: no step waits for votes, or none are enough.
[[nodiscard]] std::optional<double> votes_to_accept(const Settings& settings,
                                                    BasisPoints weight,
                                                    BasisPoints next_weight);

// Until such a canary is rolled back at `weight`, by its errors or its latency, whatever is sooner.
// Nothing: it is within tolerance, or no traffic.
[[nodiscard]] std::optional<Need> need_to_detect(const Settings& settings,
                                                 const Traffic& traffic,
                                                 const Canary& canary,
                                                 BasisPoints weight);

}  // namespace canaryd::analysis
