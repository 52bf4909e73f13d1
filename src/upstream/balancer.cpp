#include "canaryd/upstream/balancer.hpp"

#include "canaryd/base/error.hpp"
#include "canaryd/base/hash.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace canaryd::upstream {
namespace {

constexpr std::int64_t kWhole = 1000;

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

Balancer::Balancer(const UpstreamSpec& spec,
                   const std::vector<Candidate>& candidates,
                   net::Runtime& runtime)
    : kind_(spec.load_balancer),
      runtime_(&runtime),
      guarded_(spec.may_lose_endpoints()),
      slow_start_(guarded_ ? spec.slow_start : Duration::zero()) {
  CANARYD_ASSERT(!candidates.empty());
  const bool grows = slow_start_ > Duration::zero();
  if (grows) equal_ = false;
  for (const Candidate& each : candidates) {
    CANARYD_ASSERT(each.weight > 0);
    const std::uint64_t seed = siphash({}, to_string(each.endpoint->address()));
    choices_.push_back({each.endpoint, grows ? each.weight * kWhole : each.weight, 0, seed});
    if (each.weight != candidates.front().weight) equal_ = false;
  }
}

Endpoint* Balancer::choose(const Tried& tried, std::uint64_t key) {
  if (choices_.size() == 1) {
    return in_use(choices_.front()) ? choices_.front().endpoint : nullptr;
  }
  Endpoint* found = pick(tried, key);
  // Better the same one again than none, and then not the last one.
  if (found == nullptr && tried.size() > 1) found = pick(tried.last(), key);
  return found != nullptr || tried.size() == 0 ? found : pick({}, key);
}

Endpoint* Balancer::pick(const Tried& tried, std::uint64_t key) {
  switch (kind_) {
    case LoadBalancer::kRoundRobin:
      // Who skips those that are out gives all of their part to the next one.
      return equal_ && !guarded_ ? in_turn(tried) : by_credit(tried);
    case LoadBalancer::kConsistentHash:
      return by_key(tried, key);
    case LoadBalancer::kLeastRequest:
      break;
  }
  return equal_ ? less_loaded(tried) : less_loaded_by_weight(tried);
}

std::int64_t Balancer::weight(const Choice& choice) const noexcept {
  if (slow_start_ <= Duration::zero()) return choice.weight;
  const Duration age = choice.endpoint->state().in_use_for(runtime_->now());
  if (age >= slow_start_) return choice.weight;
  const double part = std::chrono::duration<double>(age) / slow_start_;
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(part * static_cast<double>(choice.weight)));
}

// ---- Round robin

Endpoint* Balancer::in_turn(const Tried& tried) {
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    next_ = (next_ + 1) % choices_.size();
    if (!tried.has(choices_[next_].endpoint)) return choices_[next_].endpoint;
  }
  return nullptr;
}

// Everybody earns its weight in credit, the richest is chosen and pays what all earned.
Endpoint* Balancer::by_credit(const Tried& tried) {
  std::int64_t earned = 0;
  Choice* richest = nullptr;
  for (Choice& each : choices_) {
    if (!usable(each, tried)) continue;
    const std::int64_t earns = weight(each);
    earned += earns;
    each.credit += earns;
    if (richest == nullptr || each.credit > richest->credit) richest = &each;
  }
  if (richest == nullptr) return nullptr;
  richest->credit -= earned;
  return richest->endpoint;
}

// ---- Least request

Endpoint* Balancer::less_loaded(const Tried& tried) {
  // Two different ones. Most of the time both may be used; else two are drawn from those that may.
  Random& random = runtime_->random();
  const std::size_t count = choices_.size();
  const std::size_t first = random.below(count);
  const std::size_t second = (first + 1 + random.below(count - 1)) % count;
  const Choice& a = choices_[first];
  const Choice& b = choices_[second];
  if (!usable(a, tried) || !usable(b, tried)) return less_loaded_by_weight(tried);
  return b.endpoint->active() < a.endpoint->active() ? b.endpoint : a.endpoint;
}

// The one that was drawn by weight alone, unless the other one would be no busier with this request
// than that is without it. So weights are kept where little is under way, too: an endpoint without
// any load is no better than a busy one of ten times its weight.
Endpoint* Balancer::less_loaded_by_weight(const Tried& tried) {
  const Choice* const a = draw(tried, nullptr);
  if (a == nullptr) return nullptr;
  const Choice* const b = draw(tried, a);
  if (b == nullptr) return a->endpoint;
  const auto load_a = static_cast<std::int64_t>(a->endpoint->active());
  const auto load_b = static_cast<std::int64_t>(b->endpoint->active());
  return (load_b + 1) * weight(*a) <= load_a * weight(*b) ? b->endpoint : a->endpoint;
}

// By weight; null if nothing is left to draw from.
const Balancer::Choice* Balancer::draw(const Tried& tried, const Choice* other) {
  std::int64_t total = 0;
  for (const Choice& each : choices_) {
    if (&each != other && usable(each, tried)) total += weight(each);
  }
  if (total == 0) return nullptr;
  const std::uint64_t drawn = runtime_->random().below(static_cast<std::uint64_t>(total));
  auto left = static_cast<std::int64_t>(drawn);
  // Another thread may take one of them out between the two rounds; then the last one stands in.
  const Choice* last = nullptr;
  for (const Choice& each : choices_) {
    if (&each == other || !usable(each, tried)) continue;
    last = &each;
    left -= weight(each);
    if (left < 0) break;
  }
  return last;
}

// ---- Consistent hash

Endpoint* Balancer::by_key(const Tried& tried, std::uint64_t key) const {
  const Choice* best = nullptr;
  std::uint64_t best_number = 0;
  double best_score = -std::numeric_limits<double>::infinity();
  for (const Choice& each : choices_) {
    if (!usable(each, tried)) continue;
    const std::uint64_t number = mix(each.seed ^ key);
    if (equal_) {
      if (best != nullptr && number <= best_number) continue;
      best_number = number;
    } else {
      const double score = weighted(number, weight(each));
      if (best != nullptr && score <= best_score) continue;
      best_score = score;
    }
    best = &each;
  }
  return best != nullptr ? best->endpoint : nullptr;
}

}  // namespace canaryd::upstream
