// Looks names up in the way of the system (getaddrinfo: hosts file, DNS, whatever it is set up
// for), away from the control thread, which must not wait for it.
//
// Each look-up has a thread of its own for as long as it takes, because nothing can break one off;
// who asked is answered after kPatience at the latest. Bounds: kAtOnce look-ups under way.
//
// Thread rule: the thread that runs the io_context; answers come there.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/ip.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::daemon {

class Resolver {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(5);
  static constexpr int kAtOnce = 32;

  using Done = std::function<void(Result<std::vector<SocketAddress>>)>;

  explicit Resolver(boost::asio::io_context& io);
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  // Does not wait for look-ups; nobody hears of them any more.
  ~Resolver();

  // The addresses of both families that this host can reach. `done` is called later, once.
  void resolve(const std::string& host, std::uint16_t port, Done done);

 private:
  struct Question;
  struct Shared;
  void answer(std::uint64_t number, Result<std::vector<SocketAddress>> found);
  void answer_later(std::uint64_t number, Result<std::vector<SocketAddress>> found);

  boost::asio::io_context& io_;
  std::map<std::uint64_t, std::unique_ptr<Question>> questions_;  // Not answered yet.
  std::uint64_t next_ = 1;
  std::shared_ptr<Shared> shared_;  // With the threads.
};

}  // namespace canaryd::daemon
