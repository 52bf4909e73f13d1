// How control asks others over HTTP while it goes on: providers of queries, hooks. The daemon does
// it on the control thread's io_context; the tests of this room answer by hand.
//
// Thread rule: the control thread, calls and callbacks. `done` runs later, once, never inside the
// call, and may be dropped uncalled when the process ends.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/url.hpp"
#include "canaryd/client/http_client.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace canaryd::control {

struct HttpQuestion {
  HttpUrl url;
  std::string method = "GET";
  std::vector<client::Header> headers;  // Host and Content-Length are added.
  std::string body;
  Duration timeout = std::chrono::seconds(5);           // To connect and to have the whole answer.
  std::size_t body_bytes_max = std::size_t{64} * 1024;  // Of the answer; more is kLimit.
  bool head_only = false;                               // The body of the answer is left unread.
};

class HttpIo {
 public:
  using Done = std::function<void(Result<client::Response>)>;

  HttpIo() = default;
  HttpIo(const HttpIo&) = delete;
  HttpIo& operator=(const HttpIo&) = delete;
  virtual ~HttpIo() = default;

  // Any status is a Response; redirects are not followed. Errors: Origin::kLocal when the other
  // side was not asked, for a reason of our own. The answer comes after `timeout` at the latest,
  // and what it took before to find the name's addresses (at most 5 s) and to wait for its turn
  // behind questions that are under way.
  virtual void ask(HttpQuestion question, Done done) = 0;
};

}  // namespace canaryd::control
