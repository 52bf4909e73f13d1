// Sending an EventStream over a connection, for as long as its reader wants it. Private to the
// room. Thread rule: the control thread.
#pragma once

#include "admin/connection.hpp"
#include "canaryd/admin/server.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>

namespace canaryd::admin {

// From now on the connection is watched: when its reader leaves, the stream ends. The head of the
// answer is still to be written.
void begin_streaming(const std::shared_ptr<Connection>& connection,
                     std::shared_ptr<EventStream> events,
                     bool chunked);

// Until the reader leaves, does not take what is sent within limits.write, or end_streaming(). Both
// arguments outlive it.
[[nodiscard]] boost::asio::awaitable<void> stream_events(Connection& connection,
                                                         const Limits& limits);

// The source is let go of, and the reader told if that needs no waiting; the connection is to be
// closed. A second call does nothing.
void end_streaming(Connection& connection);

}  // namespace canaryd::admin
