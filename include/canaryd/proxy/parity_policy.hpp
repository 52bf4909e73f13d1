// Which reads of a rollout are asked again, of stable twice and of the canary, so that control can
// compare what they answer. Plain value, part of a Snapshot.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/routing/mirror_share.hpp"
#include "canaryd/stats/parity_read.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::proxy {

struct ParityPolicy {
  std::uint64_t watch = 0;     // Says whose the reads are; 0: none is asked again.
  routing::MirrorShare share;  // Of the request ids.
  std::vector<std::string> headers;
  std::uint64_t body_bytes_max = 64 * 1024;
  Duration timeout = std::chrono::seconds(5);
  std::shared_ptr<stats::ParityCounts> counts;  // Not null if `watch` is set.

  [[nodiscard]] bool on() const noexcept { return watch != 0; }
};

}  // namespace canaryd::proxy
