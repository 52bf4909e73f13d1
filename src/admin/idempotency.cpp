#include "admin/idempotency.hpp"

namespace canaryd::admin {

IdempotencyMemory::Lookup IdempotencyMemory::begin(const std::string& key,
                                                   const std::string& fingerprint) {
  const auto [position, is_new] = entries_.try_emplace(key, Entry{fingerprint, std::nullopt});
  if (is_new) return Lookup::kNew;
  if (position->second.fingerprint != fingerprint) return Lookup::kDifferentRequest;
  return position->second.answer ? Lookup::kAnswered : Lookup::kRunning;
}

void IdempotencyMemory::remember(const std::string& key, const Response& response) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  found->second.answer = response;
  answered_.push_back(key);
  while (answered_.size() > answers_max_) {
    entries_.erase(answered_.front());
    answered_.pop_front();
  }
}

}  // namespace canaryd::admin
