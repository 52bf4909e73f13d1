// One client connection: serves exchanges until one side closes it. While it is idle it holds no
// buffer and no exchange; what is left is this object, its stream and one coroutine frame.
#pragma once

#include "canaryd/base/ip.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/net/stream.hpp"
#include "canaryd/net/task.hpp"
#include "canaryd/net/waiter.hpp"
#include "canaryd/routing/key_memo.hpp"
#include "proxy/service_state.hpp"

#include <array>
#include <memory>
#include <string_view>

namespace canaryd::proxy {

// Reads on for a while after an answer that ends the connection, so that our close does not become
// a reset that takes the answer away from a client still sending (RFC 9112 section 9.6).
[[nodiscard]] net::Task<void> linger(ServiceState& state, net::Stream& stream, net::Waiter& waiter);

class Connection {
 public:
  Connection(ServiceState& state, ListenerPointer listener, std::unique_ptr<net::Stream> stream);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  [[nodiscard]] static net::Task<void> serve(std::unique_ptr<Connection> self);

  // Drain: if it is idle it ends now, else with its exchange.
  void stop_when_idle() noexcept { stop_.set(); }
  // The listener's spec is another one.
  void follow_spec() noexcept;
  [[nodiscard]] Connection* next() const noexcept { return next_; }

  [[nodiscard]] ServiceState& state() noexcept { return state_; }
  [[nodiscard]] const ListenerPointer& listener() const noexcept { return listener_; }
  [[nodiscard]] const ListenerSpec& spec() const noexcept { return *listener_->spec; }
  [[nodiscard]] net::Stream& stream() noexcept { return *stream_; }
  [[nodiscard]] net::Waiter& waiter() noexcept { return waiter_; }
  // Its next answer says that it is the last one.
  [[nodiscard]] bool ending() const noexcept { return state_.ending || listener_->ending; }
  [[nodiscard]] const IpAddress& peer() const noexcept { return peer_; }
  [[nodiscard]] std::string_view peer_text() const noexcept {
    return {peer_text_.data(), peer_text_size_};
  }
  [[nodiscard]] routing::KeyMemo& key_memo() noexcept { return key_memo_; }
  [[nodiscard]] bool peer_trusted() const noexcept { return peer_trusted_; }
  // The peer, or who stands behind it according to X-Forwarded-For, if it is trusted.
  [[nodiscard]] IpAddress client_address(const http::RequestHead& head) const noexcept;

 private:
  ServiceState& state_;
  ListenerPointer listener_;
  std::unique_ptr<net::Stream> stream_;
  net::Waiter waiter_;
  net::Signal stop_;
  Connection* next_ = nullptr;
  Connection* previous_ = nullptr;
  IpAddress peer_;
  std::array<char, net::kIpTextMax> peer_text_{};
  std::uint8_t peer_text_size_ = 0;
  bool peer_trusted_ = false;
  routing::KeyMemo key_memo_;
};

}  // namespace canaryd::proxy
