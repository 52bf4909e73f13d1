// HttpClient without waiting: for what the control thread asks of others while it goes on.
//
// Thread rule: the thread that runs the io_context. Limits: those given; at the end of them the
// answer is an error.
#pragma once

#include "canaryd/client/http_client.hpp"

#include <functional>

namespace boost::asio {
class io_context;
}

namespace canaryd::client {

// As HttpClient::fetch. `done` is called once, later, on the context's thread; never if the context
// ends first.
void fetch_later(boost::asio::io_context& io,
                 Address address,
                 Limits limits,
                 Request request,
                 std::function<void(Result<Response>)> done);

}  // namespace canaryd::client
