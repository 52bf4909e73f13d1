#include "admin/access.hpp"

#include <algorithm>
#include <unistd.h>

namespace canaryd::admin {
namespace {

// The token of "Bearer TOKEN"; nullopt when it is another scheme, or malformed.
std::optional<std::string_view> bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = authorization[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != kScheme[i]) return std::nullopt;
  }
  std::string_view token = authorization.substr(kScheme.size());
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
  if (token.empty() || token.size() > kTokenBytesMax) return std::nullopt;
  return token;
}

bool is_ourselves(const Request& request) {
  return request.peer_uid && (*request.peer_uid == 0 || *request.peer_uid == ::geteuid());
}

}  // namespace

Caller identify(const Request& request, const std::vector<Token>& tokens, bool is_open) {
  Caller caller;
  caller.name = request.peer;
  if (request.authorization && !tokens.empty()) {
    caller.wrong_token = true;
    const auto text = bearer(*request.authorization);
    if (!text) return caller;
    const TokenDigest digest = digest_of(*text);
    for (const Token& token : tokens) {
      if (!same(token.digest, digest)) continue;
      caller = {token.role, token.name, digest, false};
    }
    return caller;
  }
  if ((tokens.empty() && is_open) || is_ourselves(request)) caller.role = Role::kAdmin;
  return caller;
}

bool may_still_read(const Request& request, const std::vector<Token>& tokens, bool is_open) {
  if (!request.actor_token) return identify(request, tokens, is_open).role >= Role::kViewer;
  return std::any_of(tokens.begin(), tokens.end(), [&](const Token& each) {
    return same(each.digest, *request.actor_token) && each.role >= Role::kViewer;
  });
}

std::optional<Problem> check_role(const Caller& caller, Role needed) {
  if (caller.role >= needed) return std::nullopt;
  if (caller.wrong_token) {
    return Problem{401, "unauthorised", "this token is not, or no longer, one of admin.tokens"};
  }
  if (caller.role == Role::kNobody) {
    return Problem{401,
                   "unauthorised",
                   "a token is needed: Authorization: Bearer TOKEN, or canaryctl --token-file"};
  }
  return Problem{403,
                 "forbidden",
                 "this takes the role " + std::string(to_string(needed)) + "; " + caller.name +
                     " is " + std::string(to_string(caller.role))};
}

}  // namespace canaryd::admin
