// Who is asking, and whether they may.
//
// A bearer token says who it is. Without tokens whoever can connect may do everything, as long as
// that takes an account on this machine, and on a Unix socket its owner's or group's. With tokens
// one is needed, except by the daemon's own user and root on a Unix socket: these can read the
// files of the tokens anyway. Control thread only.
#pragma once

#include "admin/message.hpp"
#include "admin/problem.hpp"
#include "canaryd/admin/token.hpp"

#include <optional>
#include <string>
#include <vector>

namespace canaryd::admin {

struct Caller {
  Role role = Role::kNobody;
  std::string name;                    // For the journal: of the token, else of the peer.
  std::optional<TokenDigest> token{};  // The one that has proved the name.
  bool wrong_token = false;            // There was one, and nobody knows it.
};

// is_open: without tokens whoever can connect may do everything. Compares with every token, so that
// the time does not tell which one was nearly right.
[[nodiscard]] Caller identify(const Request& request,
                              const std::vector<Token>& tokens,
                              bool is_open);

// Whether who was let in by this request may still read: by the token that he has shown then, else
// as he would be without one now.
[[nodiscard]] bool may_still_read(const Request& request,
                                  const std::vector<Token>& tokens,
                                  bool is_open);

// 401 or 403, when the caller may not do what takes this role.
[[nodiscard]] std::optional<Problem> check_role(const Caller& caller, Role needed);

}  // namespace canaryd::admin
