// The rules of one rollout and of the routes, which validate() runs, and what they share with it.
#pragma once

#include "canaryd/config/config.hpp"
#include "config/reader.hpp"

#include <cstddef>
#include <map>

namespace canaryd::config {

// validate_one_rollout.cpp: its versions, cohort and steps.
void check_rollout(const Config& config, const Rollout& rollout, Reader& in);
// validate_routes.cpp: names, where they lead, and whether requests can get to them.
void check_routes(const Config& config, Reader& in);

// Reports the second and further elements that have the same key as an earlier one.
template <class Items, class KeyOf, class Message>
void check_unique(const Items& items, KeyOf key_of, Message message) {
  std::map<decltype(key_of(items.front())), std::size_t> seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto [first, fresh] = seen.emplace(key_of(items[i]), i);
    if (!fresh) message(i, first->second);
  }
}

}  // namespace canaryd::config
