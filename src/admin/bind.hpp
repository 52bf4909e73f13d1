// The listening socket of the admin API: loopback or a Unix socket of mode 0660.
#pragma once

#include "canaryd/base/error.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <string>

namespace canaryd::admin {

using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

struct Bound {
  std::string address;    // With the real port.
  std::string unix_path;  // To be removed at the end; empty for TCP.
};

[[nodiscard]] Result<Bound> listen_on(Acceptor& acceptor, const std::string& address);

}  // namespace canaryd::admin
