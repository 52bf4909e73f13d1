// The behaviour that every listener has, whatever its sockets are: bounded accepts per batch,
// pause, back-off when descriptors run out, an orderly close. TcpListener and the simulated one add
// how to accept one connection.
#pragma once

#include "canaryd/net/listener.hpp"
#include "canaryd/net/runtime.hpp"

#include <memory>

namespace canaryd::net {

class Acceptor : public Listener, private Reaction, private TimerNode {
 public:
  Acceptor(Runtime& runtime, AcceptHandler on_accept);
  ~Acceptor() override;

  void pause() final;
  void resume() final;
  void close() final;
  [[nodiscard]] const ListenerCounters& counters() const noexcept final { return counters_; }

 protected:
  enum class Outcome : std::uint8_t {
    kAccepted,
    kWouldBlock,  // The queue is empty: wait for the next event.
    kFailed,      // One connection could not be had; go on.
    kExhausted,   // Descriptors or memory have run out; wait a little.
  };
  struct Accepted {
    Outcome outcome = Outcome::kWouldBlock;
    std::unique_ptr<Stream> stream;
  };
  [[nodiscard]] virtual Accepted accept_one() = 0;
  virtual void close_socket() = 0;

  // Connections may be waiting: look in this batch.
  void wake() noexcept;
  // For the reactor to watch with.
  [[nodiscard]] Reaction& reaction() noexcept { return *this; }

 private:
  enum class End : std::uint8_t { kDrained, kBound, kStopped };
  End accept_some(std::size_t bound);
  void react() override;
  void expired() override { wake(); }

  Runtime& runtime_;
  AcceptHandler on_accept_;
  ListenerCounters counters_;
  bool paused_ = false;
  bool closed_ = false;
  bool* destroyed_ = nullptr;  // Set while a handler runs: it may destroy this.
};

}  // namespace canaryd::net
