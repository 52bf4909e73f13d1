#include "canaryd/upstream/balancer.hpp"

#include "canaryd/base/error.hpp"
#include "canaryd/base/hash.hpp"

#include <cmath>
#include <limits>

namespace canaryd::upstream {
namespace {

// The finaliser of MurmurHash3: a bijection, so different seeds never tie for one key.
std::uint64_t mix(std::uint64_t word) noexcept {
  word = (word ^ (word >> 33U)) * 0xff51afd7ed558ccdU;
  word = (word ^ (word >> 33U)) * 0xc4ceb9fe1a85ec53U;
  return word ^ (word >> 33U);
}

// Of a uniform number: the endpoint with the highest one is drawn with the odds of its weight.
// Rises with the number, so that equal weights may compare the numbers themselves.
double weighted(std::uint64_t uniform, std::int64_t weight) noexcept {
  const double unit = (static_cast<double>(uniform >> 11U) + 0.5) * 0x1.0p-53;
  return static_cast<double>(weight) / -std::log(unit);
}

}  // namespace

Balancer::Balancer(LoadBalancer kind, const std::vector<Candidate>& candidates, Random& random)
    : kind_(kind), random_(&random) {
  CANARYD_ASSERT(!candidates.empty());
  for (const Candidate& each : candidates) {
    CANARYD_ASSERT(each.weight > 0);
    const std::uint64_t seed = siphash({}, to_string(each.endpoint->address()));
    choices_.push_back({each.endpoint, each.weight, 0, seed});
    if (each.weight != candidates.front().weight) equal_ = false;
  }
}

Endpoint& Balancer::choose(const Endpoint* avoid, std::uint64_t key) {
  if (choices_.size() == 1) return *choices_.front().endpoint;
  switch (kind_) {
    case LoadBalancer::kRoundRobin:
      return equal_ ? in_turn(avoid) : by_credit(avoid);
    case LoadBalancer::kConsistentHash:
      return by_key(avoid, key);
    case LoadBalancer::kLeastRequest:
      break;
  }
  return equal_ ? less_loaded(avoid) : less_loaded_by_weight(avoid);
}

// ---- Round robin

Endpoint& Balancer::in_turn(const Endpoint* avoid) {
  next_ = (next_ + 1) % choices_.size();
  if (choices_[next_].endpoint == avoid) next_ = (next_ + 1) % choices_.size();
  return *choices_[next_].endpoint;
}

// Everybody earns its weight in credit, the richest is chosen and pays what all earned.
Endpoint& Balancer::by_credit(const Endpoint* avoid) {
  std::int64_t earned = 0;
  Choice* richest = nullptr;
  for (Choice& each : choices_) {
    if (each.endpoint == avoid) continue;
    earned += each.weight;
    each.credit += each.weight;
    if (richest == nullptr || each.credit > richest->credit) richest = &each;
  }
  richest->credit -= earned;
  return *richest->endpoint;
}

// ---- Least request

Endpoint& Balancer::less_loaded(const Endpoint* avoid) {
  // Two different ones; if one of them is to be avoided the other is taken.
  const std::size_t count = choices_.size();
  const std::size_t first = random_->below(count);
  const std::size_t second = (first + 1 + random_->below(count - 1)) % count;
  Endpoint& a = *choices_[first].endpoint;
  Endpoint& b = *choices_[second].endpoint;
  if (&a == avoid) return b;
  if (&b == avoid) return a;
  return b.active() < a.active() ? b : a;
}

// Without load it is a tie, and the first was drawn by weight alone.
Endpoint& Balancer::less_loaded_by_weight(const Endpoint* avoid) {
  const Choice* const a = draw(avoid, nullptr);
  const Choice* const b = draw(avoid, a);
  if (b == nullptr) return *a->endpoint;
  const auto load_a = static_cast<std::int64_t>(a->endpoint->active());
  const auto load_b = static_cast<std::int64_t>(b->endpoint->active());
  return load_b * a->weight < load_a * b->weight ? *b->endpoint : *a->endpoint;
}

// By weight; null if nothing is left to draw from.
const Balancer::Choice* Balancer::draw(const Endpoint* avoid, const Choice* other) {
  const auto passed_over = [&](const Choice& each) {
    return each.endpoint == avoid || &each == other;
  };
  std::int64_t total = 0;
  for (const Choice& each : choices_) total += passed_over(each) ? 0 : each.weight;
  if (total == 0) return nullptr;
  auto left = static_cast<std::int64_t>(random_->below(static_cast<std::uint64_t>(total)));
  for (const Choice& each : choices_) {
    if (passed_over(each)) continue;
    left -= each.weight;
    if (left < 0) return &each;
  }
  return nullptr;
}

// ---- Consistent hash

Endpoint& Balancer::by_key(const Endpoint* avoid, std::uint64_t key) const {
  const Choice* best = nullptr;
  std::uint64_t best_number = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  for (const Choice& each : choices_) {
    if (each.endpoint == avoid) continue;
    const std::uint64_t number = mix(each.seed ^ key);
    if (equal_) {
      if (best != nullptr && number <= best_number) continue;
      best_number = number;
    } else {
      const double score = weighted(number, each.weight);
      if (best != nullptr && score <= best_score) continue;
      best_score = score;
    }
    best = &each;
  }
  return *best->endpoint;
}

}  // namespace canaryd::upstream
