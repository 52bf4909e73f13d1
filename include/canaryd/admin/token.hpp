// Who may use the admin API, and for what.
//
// A token is a secret text that a client sends as `Authorization: Bearer TOKEN` (RFC 6750 section
// 2.1). Only its digest is kept: SHA-256 without salt, which is enough because a token is random
// and long (16 characters at least), not a password. Pure functions; any thread.
#pragma once

#include "canaryd/base/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace canaryd::admin {

// Each may do what those before it may.
enum class Role : std::uint8_t { kNobody, kViewer, kOperator, kAdmin };

[[nodiscard]] std::string_view to_string(Role role) noexcept;

using TokenDigest = std::array<std::uint8_t, 32>;

struct Token {
  std::string name;  // Whose; goes into the journal.
  Role role = Role::kViewer;
  TokenDigest digest{};
};

inline constexpr std::size_t kTokenBytesMin = 16;
inline constexpr std::size_t kTokenBytesMax = 512;

[[nodiscard]] TokenDigest digest_of(std::string_view token);
// Takes the same time wherever the difference is.
[[nodiscard]] bool same(const TokenDigest& a, const TokenDigest& b) noexcept;

// What a token's file holds: the token itself, or "sha256:" and 64 hexadecimal digits; white space
// around it does not count. Errors never repeat what is in the file.
[[nodiscard]] Result<TokenDigest> read_token(std::string_view file_text);

}  // namespace canaryd::admin
