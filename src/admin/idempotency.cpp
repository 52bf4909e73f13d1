#include "admin/idempotency.hpp"

namespace canaryd::admin {
namespace {

// What an answer takes beside its texts: nodes, headers, the key a second time in the queue.
constexpr std::size_t kEntryBytes = 512;

std::size_t bytes_of(const std::string& key, const Response& response) noexcept {
  std::size_t bytes = kEntryBytes + 2 * key.size() + response.body.size();
  for (const auto& [name, value] : response.headers) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

IdempotencyMemory::Lookup IdempotencyMemory::begin(const std::string& key,
                                                   std::string_view fingerprint) {
  const TokenDigest digest = digest_of(fingerprint);
  const auto [position, is_new] = entries_.try_emplace(key, Entry{digest, std::nullopt});
  if (is_new) return Lookup::kNew;
  if (position->second.fingerprint != digest) return Lookup::kDifferentRequest;
  return position->second.answer ? Lookup::kAnswered : Lookup::kRunning;
}

void IdempotencyMemory::remember(const std::string& key, const Response& response) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  found->second.answer = response;
  answered_.push_back(key);
  bytes_ += bytes_of(key, response);
  while (answered_.size() > 1 && (answered_.size() > answers_max_ || bytes_ > bytes_max_)) {
    const auto oldest = entries_.find(answered_.front());
    if (oldest != entries_.end() && oldest->second.answer) {
      bytes_ -= bytes_of(oldest->first, *oldest->second.answer);
      entries_.erase(oldest);
    }
    answered_.pop_front();
  }
}

}  // namespace canaryd::admin
