#include "store/chain.hpp"

#include <openssl/evp.h>

#include <string_view>

namespace canaryd::store {
namespace {

// Begins every message, so that these hashes can never be mistaken for those of another format.
constexpr std::string_view kFormat = "canaryd journal 1";

void append_integer(std::string& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) {
    out.push_back(static_cast<char>(value & 0xffU));
    value >>= 8U;
  }
}

// With its length before it: otherwise bytes could move from one field to the next unnoticed.
void append_text(std::string& out, std::string_view text) {
  append_integer(out, text.size());
  out.append(text);
}

std::string message(const RowHash& previous, std::uint64_t id, const JournalEntry& entry) {
  std::string out(kFormat);
  for (const std::uint8_t byte : previous) out.push_back(static_cast<char>(byte));
  append_integer(out, id);
  append_text(out, entry.rollout);
  append_integer(out, entry.generation);
  append_integer(out, static_cast<std::uint64_t>(entry.at.time_since_epoch().count()));
  append_text(out, entry.actor);
  append_text(out, entry.event);
  append_text(out, entry.from);
  append_text(out, entry.to);
  append_integer(out, entry.step);
  append_integer(out, entry.weight_before.value());
  append_integer(out, entry.weight_after.value());
  append_text(out, entry.cause);
  append_text(out, entry.reason);
  append_text(out, entry.evidence);
  append_text(out, entry.sentence);
  append_text(out, entry.state);
  return out;
}

}  // namespace

Result<RowHash> row_hash(const RowHash& previous, std::uint64_t id, const JournalEntry& entry) {
  const std::string text = message(previous, id, entry);
  RowHash hash{};
  unsigned length = 0;
  const int done =
      EVP_Digest(text.data(), text.size(), hash.data(), &length, EVP_sha256(), nullptr);
  if (done != 1 || length != hash.size()) return fail(ErrorCode::kInternal, "SHA-256 failed");
  return hash;
}

std::string to_hex(const RowHash& hash) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  for (const std::uint8_t byte : hash) {
    result.push_back(kDigits[byte >> 4U]);
    result.push_back(kDigits[byte & 0x0fU]);
  }
  return result;
}

}  // namespace canaryd::store
