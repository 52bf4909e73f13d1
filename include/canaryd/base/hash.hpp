// Keyed 64-bit hash for sticky buckets: SipHash-2-4 (Aumasson, Bernstein 2012).
//
// Keyed, because the text that is hashed comes from clients, who must not be able to choose their
// bucket for more than the rollout whose salt they know; and defined by its paper, so that a key
// falls into the same bucket on every host, in every version and after every restart. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace canaryd {

struct HashKey {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

[[nodiscard]] std::uint64_t siphash(HashKey key, std::string_view text) noexcept;

// The key that belongs to a salt: two hashes of the salt under fixed keys. Never change: it would
// move every user.
[[nodiscard]] HashKey key_from_salt(std::string_view salt) noexcept;

}  // namespace canaryd
