// Answers to requests that carried an Idempotency-Key, so that a repeated request is answered and
// not done again.
//
// Bounded: the oldest answer goes first; a request that is still running never goes. Control thread
// only.
#pragma once

#include "admin/message.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

namespace canaryd::admin {

class IdempotencyMemory {
 public:
  static constexpr std::size_t kKeyBytesMax = 255;

  explicit IdempotencyMemory(std::size_t answers_max) : answers_max_(answers_max) {}

  enum class Lookup { kNew, kAnswered, kRunning, kDifferentRequest };
  // kNew: the key now runs, and must be ended with remember() or forget().
  [[nodiscard]] Lookup begin(const std::string& key, const std::string& fingerprint);
  // After kAnswered.
  [[nodiscard]] const Response& answer(const std::string& key) const {
    return *entries_.at(key).answer;
  }
  void remember(const std::string& key, const Response& response);
  void forget(const std::string& key) { entries_.erase(key); }

 private:
  struct Entry {
    std::string fingerprint;  // Method, target, condition and body: the same key must mean the same
                              // request.
    std::optional<Response> answer;
  };

  std::size_t answers_max_;
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> answered_;  // Oldest first.
};

}  // namespace canaryd::admin
