// Health checks over HTTP on the control thread's io_context: GET, without keep-alive; 2xx is good.
// The body of the answer is not read.
//
// Thread rule: the control thread; it outlives the running of the context. Limit: kQuestionsMax
// connections at a time; further questions wait for one to end.
#pragma once

#include "canaryd/control/health_io.hpp"
#include "daemon/http_asker.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>

namespace canaryd::daemon {

class HttpHealthIo final : public control::HealthIo {
 public:
  // What the share of descriptors leaves for it (descriptors.cpp).
  static constexpr std::size_t kQuestionsMax = 32;

  explicit HttpHealthIo(boost::asio::io_context& io)
      : io_(io), asker_(io, nullptr, kQuestionsMax) {}

  void ask(control::HealthQuestion question,
           std::function<void(control::HealthAnswer)> done) override;
  void call_after(Duration wait, std::function<void()> done) override;

 private:
  boost::asio::io_context& io_;
  HttpAsker asker_;
};

}  // namespace canaryd::daemon
