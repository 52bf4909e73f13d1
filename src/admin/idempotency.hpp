// Answers to requests that carried an Idempotency-Key, so that a repeated request is answered and
// not done again.
//
// Bounded in number and in bytes: the oldest answer goes first, the newest one always stays. A
// request that is still running never goes; it takes its key and a digest. Control thread only.
#pragma once

#include "admin/message.hpp"
#include "canaryd/admin/token.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace canaryd::admin {

class IdempotencyMemory {
 public:
  static constexpr std::size_t kKeyBytesMax = 255;

  IdempotencyMemory(std::size_t answers_max, std::size_t bytes_max)
      : answers_max_(answers_max), bytes_max_(bytes_max) {}

  enum class Lookup { kNew, kAnswered, kRunning, kDifferentRequest };
  // What makes the request another one: target, condition and body. kNew: the key now runs, and
  // must be ended with remember() or forget().
  [[nodiscard]] Lookup begin(const std::string& key, std::string_view fingerprint);
  // After kAnswered.
  [[nodiscard]] const Response& answer(const std::string& key) const {
    return *entries_.at(key).answer;
  }
  void remember(const std::string& key, const Response& response);
  void forget(const std::string& key) { entries_.erase(key); }

  // Of all answers and their keys, about.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Entry {
    TokenDigest fingerprint{};  // A body may be long, and a digest is as good.
    std::optional<Response> answer;
  };

  const std::size_t answers_max_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> answered_;  // Oldest first.
};

}  // namespace canaryd::admin
