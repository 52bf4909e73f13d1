// A listening TCP socket on the reactor. Private to the room: others see Listener.
#pragma once

#include "net/acceptor.hpp"
#include "net/descriptor.hpp"
#include "net/reactor.hpp"

#include <memory>

namespace canaryd::net {

class TcpListener final : public Acceptor {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(Runtime& runtime,
                                                              Reactor& reactor,
                                                              const ListenOptions& options,
                                                              AcceptHandler on_accept);

  TcpListener(Runtime& runtime, Reactor& reactor, Descriptor socket, AcceptHandler on_accept);
  ~TcpListener() override;

  [[nodiscard]] const Address& address() const noexcept override { return address_; }

 private:
  class Source final : public Readiness {
   public:
    Source() noexcept : Readiness(0) {}
  };

  [[nodiscard]] Accepted accept_one() override;
  [[nodiscard]] static Outcome outcome_of(int number) noexcept;
  void close_socket() override;

  Reactor& reactor_;
  Descriptor socket_;
  Address address_;
  Source source_;
};

}  // namespace canaryd::net
