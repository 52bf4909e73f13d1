#include "canaryd/routing/mirror_share.hpp"

#include "canaryd/routing/cohort_pick.hpp"

#include <array>
#include <string>

namespace canaryd::routing {
namespace {

// Lowest byte first, on every machine.
std::array<char, 8> bytes_of(std::uint64_t word) noexcept {
  std::array<char, 8> bytes{};
  for (char& byte : bytes) {
    byte = static_cast<char>(word & 0xffU);
    word >>= 8U;
  }
  return bytes;
}

}  // namespace

MirrorShare::MirrorShare(std::string_view route, BasisPoints share)
    : hash_key_(key_from_salt("mirror " + std::string(route))), share_(share) {}

bool MirrorShare::has(std::uint64_t key_hash, std::string_view request_id) const noexcept {
  if (key_hash == 0) return bucket_of(hash_key_, request_id) < share_.value();
  const auto bytes = bytes_of(key_hash);
  return bucket_of(hash_key_, {bytes.data(), bytes.size()}) < share_.value();
}

}  // namespace canaryd::routing
