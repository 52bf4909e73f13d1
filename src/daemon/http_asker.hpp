// Asks over HTTP on the control thread's io_context, without keep-alive: a connection a question.
//
// Thread rule: the control thread; it outlives the running of the context. Limit: `at_once`
// connections at a time; further questions wait for one to end.
#pragma once

#include "canaryd/control/http_io.hpp"
#include "daemon/resolver.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <deque>
#include <memory>

namespace canaryd::daemon {

class HttpAsker final : public control::HttpIo {
 public:
  // Without a resolver, names are not found; addresses need none.
  HttpAsker(boost::asio::io_context& io, Resolver* resolver, std::size_t at_once)
      : io_(io), resolver_(resolver), at_once_(at_once) {}

  void ask(control::HttpQuestion question, Done done) override;

 private:
  struct Asking;  // One question under way.

  void begin(std::shared_ptr<Asking> asking);
  void look_up(const std::shared_ptr<Asking>& asking);
  void try_next(const std::shared_ptr<Asking>& asking);
  void end(const std::shared_ptr<Asking>& asking, Result<client::Response> answer);

  boost::asio::io_context& io_;
  Resolver* resolver_;
  std::size_t at_once_;
  std::size_t open_ = 0;
  std::deque<std::shared_ptr<Asking>> waiting_;
};

}  // namespace canaryd::daemon
