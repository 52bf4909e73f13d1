// TCP on the reactor. Private to the room: others see Stream.
#pragma once

#include "canaryd/net/stream.hpp"
#include "net/descriptor.hpp"
#include "net/reactor.hpp"

#include <memory>
#include <optional>

namespace canaryd::net {

class TcpStream final : public Stream {
 public:
  // From accept4: connected, non-blocking, a client taken from the reactor's budget, which the
  // stream gives back, also when this fails. The first edge comes with the registration, if bytes
  // are there already.
  [[nodiscard]] static Result<std::unique_ptr<Stream>> adopt(Reactor& reactor,
                                                             Descriptor socket,
                                                             const Address& peer);
  [[nodiscard]] static Result<std::unique_ptr<Stream>> connect(Reactor& reactor,
                                                               const Address& peer);

  enum class Side : std::uint8_t { kClient, kUpstream };
  TcpStream(
      Reactor& reactor, Descriptor socket, const Address& peer, Events initial, Side side) noexcept;
  ~TcpStream() override;

  using Stream::send;
  [[nodiscard]] IoResult recv(std::span<char> into) override;
  [[nodiscard]] IoResult send(std::string_view first, std::string_view second) override;
  void shutdown_send() override;
  void reset() override;
  [[nodiscard]] std::optional<ErrorCode> connect_error() override;
  [[nodiscard]] bool is_quiet() const override;
  [[nodiscard]] std::optional<std::size_t> unacknowledged() const noexcept override;
  [[nodiscard]] const Address& peer_address() const noexcept override { return peer_; }
  [[nodiscard]] Address local_address() const override;

 private:
  [[nodiscard]] static Result<std::unique_ptr<TcpStream>> open_connecting(Reactor& reactor,
                                                                          const Address& peer);
  void close() noexcept;
  [[nodiscard]] IoResult failed() const noexcept;
  void break_with(ErrorCode code) noexcept;

  Reactor* reactor_;
  Descriptor socket_;
  Address peer_;
  std::optional<ErrorCode> failure_;
  Side side_;
};

}  // namespace canaryd::net
