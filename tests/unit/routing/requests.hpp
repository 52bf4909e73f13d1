// Requests and rollouts made short for the tests of this room.
#pragma once

#include "canaryd/base/hash.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/http/uri.hpp"
#include "canaryd/routing/routing_table.hpp"

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::routing::test {

using Lines = std::initializer_list<std::pair<std::string_view, std::string_view>>;

inline http::FieldList fields(Lines lines = {}) {
  http::FieldList list;
  for (const auto& [name, value] : lines) list.add(name, value);
  return list;
}

// A rollout shop-v1 -> shop-v2 that splits by the header X-User, its gate open.
inline Rollout make_rollout(unsigned weight, const std::string& salt = "checkout") {
  Rollout rollout;
  rollout.name = "checkout";
  rollout.stable = UpstreamId(0);
  rollout.canary = UpstreamId(1);
  rollout.traffic = Traffic::kSplit;
  rollout.weight = BasisPoints(weight);
  rollout.sticky.sources = {{KeySource::kHeader, "X-User"}};
  rollout.force = {.header = "X-Canary", .cookie = "canary", .trusted_only = false};
  rollout.salt = salt;
  rollout.hash_key = key_from_salt(salt);
  rollout.generation = 1;
  rollout.gate = std::make_shared<CohortGate>();
  rollout.gate->begin(1, BasisPoints(BasisPoints::kMax));
  return rollout;
}

}  // namespace canaryd::routing::test
