// What the canary has to show before it takes any weight: that it answers reads as stable does
// (docs/statistics.md, "Read parity"). Plain value; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace canaryd::config {

struct Parity {
  BasisPoints sample{100};               // Share of the GET and HEAD requests that are asked again.
  double max_diff = 0.005;               // So much of the reads may differ; a fraction in (0, 1).
  std::uint64_t min_requests = 1000;     // Compared, at least.
  std::vector<std::string> ignore;       // Fields of JSON: a name, or a path ("/items/*/id").
  std::vector<std::string> headers;      // Compared beside status, media type and body.
  std::uint64_t body_bytes = 64 * 1024;  // Of an answer; a longer one is not compared.
  Duration timeout = std::chrono::seconds(5);  // For each copy and its answer.
  friend bool operator==(const Parity&, const Parity&) = default;
};

}  // namespace canaryd::config
