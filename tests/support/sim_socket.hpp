// One connection of the simulated network, as its two ends see it. Private to sim*.cpp.
//
// Bytes go from the sender under way, by an event for each send, to what has arrived at the
// receiver. What is under way, and what has arrived and was not received, counts against
// buffer_bytes. A scripted peer has a queue before that, without a bound.
#pragma once

#include "support/sim.hpp"

#include <functional>
#include <memory>
#include <string>

namespace canaryd::test {

struct SimSocket {
  std::uint64_t id = 0;
  net::Address local;
  net::Address remote;
  SimSocket* other = nullptr;
  std::weak_ptr<SimSocket> self;  // Shares the ownership of both ends.
  SimProfile profile;

  std::string arrived;
  std::size_t under_way = 0;  // From the other end to here.
  Monotonic last_arrival{};   // Of what this end sent: order is kept.

  bool connected = false;
  bool refused = false;
  bool fin_sent = false;
  bool fin_arrived = false;
  bool reset = false;   // Broken, by either side.
  bool closed = false;  // The owner has let go.

  SimStream* stream = nullptr;  // The code under test's, while it lives.

  // Of a scripted peer.
  bool scripted = false;
  bool reading = true;
  bool fin_wanted = false;
  std::string queued;
  std::string received;
  std::function<void()> on_data;

  // What this end has sent and the other one has not received.
  [[nodiscard]] std::size_t unacknowledged() const noexcept {
    return other->arrived.size() + other->under_way;
  }
  // What this end may send now.
  [[nodiscard]] std::size_t room() const noexcept {
    const std::size_t used = unacknowledged();
    return used >= profile.buffer_bytes ? 0 : profile.buffer_bytes - used;
  }
};

// The code under test's end as a Stream.
class SimStream final : public net::Stream {
 public:
  SimStream(SimNetwork& network, std::shared_ptr<SimSocket> socket, net::Events initial);
  ~SimStream() override;

  using Stream::send;
  [[nodiscard]] net::IoResult recv(std::span<char> into) override;
  [[nodiscard]] net::IoResult send(std::string_view first, std::string_view second) override;
  void shutdown_send() override;
  void reset() override;
  [[nodiscard]] std::optional<ErrorCode> connect_error() override;
  [[nodiscard]] bool is_quiet() const override;
  [[nodiscard]] std::optional<std::size_t> unacknowledged() const noexcept override;
  [[nodiscard]] const net::Address& peer_address() const noexcept override;
  [[nodiscard]] net::Address local_address() const override;

  // Counts itself there as long as it lives.
  void count_in(std::size_t& open) noexcept { ++*(open_ = &open); }

  // An edge: raises what is true of the socket now.
  void update();

 private:
  void update_soon();
  // A fault that hits the operation; nothing when it goes on.
  [[nodiscard]] std::optional<net::IoResult> hit(const char* operation, net::Events flag);
  [[nodiscard]] net::IoResult broken_now() noexcept;

  SimNetwork& network_;
  std::shared_ptr<SimSocket> socket_;
  std::size_t* open_ = nullptr;
};

}  // namespace canaryd::test
