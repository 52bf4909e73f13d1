// Who is asked before a step, or told of what has happened to a rollout (docs/interfaces.md 2.1).
//
// Plain values; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/url.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::config {

// kBeforeStep is a question; the others are states of a rollout that have been entered, and
// kInconclusive is kHeld for one reason.
enum class HookOn : std::uint8_t {
  kBeforeStep,
  kProgressing,
  kWaiting,
  kHeld,
  kInconclusive,
  kSuspended,
  kPaused,
  kBaking,
  kPromoted,
  kRetiring,
  kRetired,
  kRolledBack,
  kAborted,
};

struct Hook {
  std::vector<HookOn> on;  // At least one, each once.
  // One of the three.
  std::optional<HttpUrl> url;
  std::string url_file;           // Relative to the configuration: an address that is a secret.
  std::vector<std::string> exec;  // A program and its arguments.
  Duration timeout = std::chrono::seconds(5);        // Of a URL.
  Duration exec_timeout = std::chrono::seconds(30);  // Of a program.

  [[nodiscard]] bool has(HookOn event) const noexcept;
  friend bool operator==(const Hook&, const Hook&) = default;
};

inline constexpr std::size_t kMaxHooks = 20;

}  // namespace canaryd::config
