// The admin API as the file describes it: where it listens, and who may do what.
//
// Tokens are never in a Config, only what their files hold of them: digests, which whoever reads
// the files puts in. Nothing here that comes from a token is ever written back.
#pragma once

#include "canaryd/base/ip.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::config {

// Each may do what those before it may.
enum class AdminRole : std::uint8_t { kViewer, kOperator, kAdmin };

struct AdminToken {
  std::string name;  // Who did it, in the journal.
  AdminRole role = AdminRole::kViewer;
  std::string token_file;
  std::array<std::uint8_t, 32> digest{};  // SHA-256 of the token.
  friend bool operator==(const AdminToken&, const AdminToken&) = default;
};

// Of the socket's file; only with a socket.
struct AdminSocket {
  std::uint32_t mode = 0660;
  std::optional<std::string> owner;  // A name or a number; nullopt: of the daemon itself.
  std::optional<std::string> group;
  friend bool operator==(const AdminSocket&, const AdminSocket&) = default;
};

struct Admin {
  SocketAddress address{IpAddress::v4({127, 0, 0, 1}), 9901};
  std::string socket_path;  // Not empty: a Unix socket, in place of the address.
  AdminSocket socket;
  std::vector<AdminToken> tokens;
  bool dashboard = true;

  [[nodiscard]] bool is_socket() const noexcept { return !socket_path.empty(); }
  // "127.0.0.1:9901", "unix:/run/canaryd/admin.sock".
  [[nodiscard]] std::string where() const {
    return is_socket() ? "unix:" + socket_path : to_string(address);
  }
  friend bool operator==(const Admin&, const Admin&) = default;
};

}  // namespace canaryd::config
