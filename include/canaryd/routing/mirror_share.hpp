// Which requests of a route get a copy for its mirror.
//
// The same ones everywhere: a share of the sticky keys, by a hash with a salt of the mirror's own,
// the route's name. So every worker, host and restart agrees, and who is copied has nothing to do
// with who is in the canary. A request without a key is drawn by its id (http::request_id): the
// same at every canaryd that sees that id.
//
// Pure; any thread.
#pragma once

#include "canaryd/base/hash.hpp"
#include "canaryd/base/strong.hpp"

#include <cstdint>
#include <string_view>

namespace canaryd::routing {

class MirrorShare {
 public:
  MirrorShare() noexcept = default;  // Nothing.
  MirrorShare(std::string_view route, BasisPoints share);

  // `key_hash` is Pick::key_hash: 0 without a key.
  [[nodiscard]] bool has(std::uint64_t key_hash, std::string_view request_id) const noexcept;

 private:
  HashKey hash_key_;
  BasisPoints share_;
};

}  // namespace canaryd::routing
