// The listening socket of the admin API: loopback, a Unix socket, or with tokens any address.
#pragma once

#include "canaryd/admin/server.hpp"
#include "canaryd/base/error.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <cstdint>
#include <string>

namespace canaryd::admin {

using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

// Which file is our socket, so that nobody else's is removed; empty path for TCP.
struct SocketFileMark {
  std::string path;
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
};

struct Bound {
  std::string address;   // With the real port.
  bool is_local = true;  // Only who is on this machine can connect,
  bool is_open = true;   // and without tokens whoever can connect may do everything.
  SocketFileMark mark{};
};

// kUnsupported: more people could connect than may without tokens.
[[nodiscard]] Result<Bound> listen_on(Acceptor& acceptor, const Options& options, bool has_tokens);
// Only if it is still the one of the mark.
void remove_socket(const SocketFileMark& mark) noexcept;

}  // namespace canaryd::admin
