#include "canaryd/admin/token.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <new>

namespace canaryd::admin {
namespace {

constexpr std::string_view kHashed = "sha256:";

std::string_view trim_space(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// What a Bearer token is made of: token68 of RFC 9110, section 11.2.
bool is_token_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<TokenDigest> read_hash(std::string_view hex) {
  TokenDigest digest{};
  const bool whole = hex.size() == 2 * digest.size() &&
                     std::all_of(hex.begin(), hex.end(), [](char c) { return hex_value(c) >= 0; });
  if (!whole) return fail(ErrorCode::kMalformed, "after sha256: there must be 64 hex digits");
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(hex_value(hex[2 * i]) * 16 + hex_value(hex[2 * i + 1]));
  }
  return digest;
}

}  // namespace

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::kNobody:
      return "nobody";
    case Role::kViewer:
      return "viewer";
    case Role::kOperator:
      return "operator";
    case Role::kAdmin:
      return "admin";
  }
  return "";
}

TokenDigest digest_of(std::string_view token) {
  TokenDigest digest{};
  unsigned size = 0;
  const int done =
      EVP_Digest(token.data(), token.size(), digest.data(), &size, EVP_sha256(), nullptr);
  if (done != 1 || size != digest.size()) throw std::bad_alloc();  // All that can go wrong.
  return digest;
}

bool same(const TokenDigest& a, const TokenDigest& b) noexcept {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<TokenDigest> read_token(std::string_view file_text) {
  const std::string_view text = trim_space(file_text);
  if (text.starts_with(kHashed)) return read_hash(text.substr(kHashed.size()));
  if (text.size() < kTokenBytesMin || text.size() > kTokenBytesMax) {
    return fail(ErrorCode::kMalformed, "a token has 16 to 512 characters");
  }
  if (!std::all_of(text.begin(), text.end(), is_token_char)) {
    return fail(ErrorCode::kMalformed, "a token is one line of letters, digits and -._~+/=");
  }
  return digest_of(text);
}

}  // namespace canaryd::admin
