#include "proxy/vote_limiter.hpp"

#include <algorithm>
#include <string_view>

namespace canaryd::proxy {
namespace {

constexpr std::size_t kSubnetBytes = 8;

bool has_room(Monotonic meter, Monotonic now, int burst, Duration interval) noexcept {
  return std::max(meter, now) + interval <= now + burst * interval;
}

void fill(Monotonic& meter, Monotonic now, Duration interval) noexcept {
  meter = std::max(meter, now) + interval;
}

std::uint64_t hash_of(HashKey key, const IpAddress& client) noexcept {
  const auto& bytes = client.bytes();
  const std::size_t size = client.is_v6() ? kSubnetBytes : bytes.size();
  return siphash(key, {reinterpret_cast<const char*>(bytes.data()), size});
}

}  // namespace

bool VoteLimiter::admit(const IpAddress& client, Monotonic now, Random& random) {
  if (meters_ == nullptr) {
    meters_ = std::make_unique<Meters>();
    meters_->key = {random.next(), random.next()};
    meters_->clients.fill(now);
    meters_->total = now;
  }
  Monotonic& own = meters_->clients[hash_of(meters_->key, client) % kSlots];
  if (!has_room(own, now, kClientBurst, kClientInterval)) return false;
  if (!has_room(meters_->total, now, kTotalBurst, kTotalInterval)) return false;
  fill(own, now, kClientInterval);
  fill(meters_->total, now, kTotalInterval);
  return true;
}

}  // namespace canaryd::proxy
