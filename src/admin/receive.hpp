// Reading a request of the admin API from its connection. Private to the room. Thread rule: the
// control thread.
#pragma once

#include "admin/connection.hpp"
#include "admin/message.hpp"
#include "admin/problem.hpp"
#include "canaryd/admin/server.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <optional>

namespace canaryd::admin {

// Room that the buffer of a connection has beside that for a head.
inline constexpr std::size_t kReadAhead = std::size_t{8} * 1024;

// What came of reading: a request, a problem to answer before closing, or neither (the peer has
// gone).
struct Arrival {
  std::optional<Request> request;
  std::optional<Problem> problem;
  bool keep_alive = false;
  bool takes_chunks = false;
};

// Until something of the next request is there; false: the peer has gone, or has been silent for
// too long. Both arguments outlive it.
[[nodiscard]] boost::asio::awaitable<bool> await_request(Connection& connection,
                                                         const Limits& limits);

// The rest of it, within limits.header. Likewise.
[[nodiscard]] boost::asio::awaitable<Arrival> receive(Connection& connection, const Limits& limits);

}  // namespace canaryd::admin
