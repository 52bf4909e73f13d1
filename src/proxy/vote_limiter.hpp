// How many votes one worker takes: from one client, and in all. A forger who has many keys needs as
// many addresses, or patience.
//
// Clients share kSlots meters by a keyed hash of their address, of IPv6 its first 64 bits, which
// one customer has. So the memory is bounded, and two clients of one meter are at worst taken for
// one. Each meter is the generic cell rate algorithm (ITU-T I.371): a single time.
//
// Thread rule: one worker. 32 KiB from the first vote on.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/hash.hpp"
#include "canaryd/base/ip.hpp"
#include "canaryd/base/random.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

namespace canaryd::proxy {

class VoteLimiter {
 public:
  static constexpr std::size_t kSlots = 4096;
  // Of one client: so many at once, and one more in each interval.
  static constexpr int kClientBurst = 10;
  static constexpr Duration kClientInterval = std::chrono::seconds(6);
  // Of all: within what the queue to control holds until it is emptied.
  static constexpr int kTotalBurst = 100;
  static constexpr Duration kTotalInterval = std::chrono::milliseconds(20);

  // Counts the vote if it may come in. `random` gives the key of the hash, once.
  [[nodiscard]] bool admit(const IpAddress& client, Monotonic now, Random& random);

 private:
  struct Meters {
    HashKey key;
    std::array<Monotonic, kSlots> clients;  // When the meter would be empty again.
    Monotonic total;
  };
  std::unique_ptr<Meters> meters_;
};

}  // namespace canaryd::proxy
