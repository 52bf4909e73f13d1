// Sockets of the load benchmark: an epoll set, and messages of known size over it.
//
// Made to cost next to nothing: level-triggered, one recv and one send per small message, no
// parsing beyond the end of a head, and bodies that are counted but not copied out of the kernel
// (MSG_TRUNC).
//
// Thread rule: one thread. Limits: heads up to 64 KiB.
#pragma once

#include "canaryd/base/clock.hpp"
#include "cases.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <unordered_map>
#include <vector>

namespace canaryd::bench {

enum class Kind : std::uint8_t { kListener, kCommands, kUpstreamSide, kClientSide };

struct Link {
  Kind kind = Kind::kClientSide;
  int fd = -1;
  const Case* what = nullptr;  // Of the message under way; fixed on the client's side.
  std::string partial;         // A head that came in pieces; empty nearly always.
  std::size_t body_left = 0;
  std::string_view unsent;
  bool answered = false;  // Client side: the response is whole, the end of the connection is not.
  Monotonic due{};        // Client side: when the request in flight should have been sent.
};

enum class Got : std::uint8_t { kNothing, kMessage, kEnd, kBroken };

class Links {
 public:
  Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;
  ~Links();

  Link* add(Kind kind, int fd);
  // Closes at once; the object stays until sweep(), because a later event may point at it.
  void drop(Link* link);
  void sweep() { dropped_.clear(); }

  // timeout_ns < 0: until something happens.
  [[nodiscard]] int wait(std::int64_t timeout_ns);
  [[nodiscard]] const epoll_event& event(int index) const {
    return events_[static_cast<std::size_t>(index)];
  }

  // The bytes stay where they are until all are sent. False: the connection is broken.
  [[nodiscard]] bool send(Link& link, std::string_view bytes);
  // Goes on with what send() left over.
  [[nodiscard]] bool send_rest(Link& link);
  // Reads once. kMessage: a whole request, or a whole 200 with the body of the link's case.
  [[nodiscard]] Got receive(Link& link);

 private:
  [[nodiscard]] Got take_head(Link& link, std::string_view bytes);

  int epoll_;
  std::array<epoll_event, 256> events_{};
  std::unordered_map<int, std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> dropped_;
  std::string whole_;
  std::array<char, 65536> buffer_{};
};

// A listening socket on 127.0.0.1, any port when 0; ends the program when it cannot be had.
[[nodiscard]] int listen_on_loopback(std::uint16_t port);
[[nodiscard]] std::uint16_t port_of(int fd);
// Connected, or -1. Blocks until it is, which on loopback takes no time.
[[nodiscard]] int connect_to_loopback(std::uint16_t port);
[[noreturn]] void die(const char* what);

}  // namespace canaryd::bench
