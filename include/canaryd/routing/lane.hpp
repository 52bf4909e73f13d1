// One of several rollouts that a route has at the same time, and its share of the users. Lanes lie
// one behind another, in their order; cohort_pick.hpp says who is in which.
#pragma once

#include "canaryd/base/strong.hpp"

#include <cstddef>

namespace canaryd::routing {

inline constexpr std::size_t kLanesMax = 16;

struct Lane {
  RolloutId rollout;
  BasisPoints users;
  friend bool operator==(const Lane&, const Lane&) = default;
};

}  // namespace canaryd::routing
