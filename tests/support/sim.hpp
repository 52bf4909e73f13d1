// A network in one thread with virtual time: the whole data plane runs on it, and a seed repeats a
// run exactly.
//
// A SimNetwork carries any number of SimRuntimes (each stands for a worker or a process of ours)
// and of SimPeers (scripted clients and upstreams in straight-line test code). Time stands still
// while there is work, and then jumps to the next thing that is due.
//
//   SimNetwork net{7};
//   SimRuntime worker{net};
//   ... code under test: worker.listen(...), worker.connect(...) ...
//   SimServer upstream{net, address("10.0.0.2:80")};
//   SimPeer client = net.connect(address("10.0.0.1:8080"));
//   client.send("GET / HTTP/1.1\r\n\r\n");
//   SimPeer& served = upstream.accept();               // Runs until a connection is there.
//   ASSERT_TRUE(net.run_until([&] { return client.received().ends_with("hello"); }));
//
// What an address does is a Profile: buffer sizes, how many bytes one call moves, delay, jitter,
// refusal. Faults hit chosen operations of the code under test: net.fail_operation(n) breaks the
// n-th recv, send, connect or accept it makes, for loops over every n. Peers never fail by
// themselves.
//
// Thread rule: one thread; post() from others is not supported.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/net/runtime.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::test {

class SimNetwork;
class SimRuntime;
class SimStream;
class SimListener;
class SimPeer;
class SimServer;
struct SimSocket;

// How connections to one address behave. The defaults are a fast local network.
struct SimProfile {
  std::size_t buffer_bytes =
      64 * 1024;  // Each direction: what one side may send before the other receives.
  std::size_t recv_bytes_max = SIZE_MAX;  // One recv of the code under test returns at most this.
  std::size_t send_bytes_max = SIZE_MAX;  // One send of the code under test takes at most this.
  std::size_t send_room_min = 1;          // A socket that was full is writable with so much room.
  Duration delay{0};                      // Until bytes, a FIN, a reset or a connect arrives.
  Duration jitter{0};                     // Up to this much more, drawn for each; order is kept.
  bool refuse = false;                    // connect is answered by a reset,
  bool ignore = false;                    // or never.
};

enum class SimFault : std::uint8_t {
  kReset,       // The connection breaks: both ends see a reset.
  kWouldBlock,  // The call does nothing now; readiness comes again at once.
  kLocal,       // A connect fails at once with kLimit; everything else breaks.
};

class SimNetwork {
 public:
  explicit SimNetwork(std::uint64_t seed = 1);
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;
  // Runtimes, peers and servers die first.
  ~SimNetwork();

  [[nodiscard]] Monotonic now() const noexcept { return now_; }
  [[nodiscard]] Random& random() noexcept { return random_; }

  // Of connections made from now on.
  void set_profile(const net::Address& address, const SimProfile& profile);
  void set_default_profile(const SimProfile& profile) { default_profile_ = profile; }

  // --- Running. Each returns whether it came to that; all give up after kStepsMax batches, so that
  // a loop in the code under test ends the test.

  // Until nothing is left to do at the present time.
  bool run_ready();
  // Until nothing at all is left to do: no bytes under way and no timer armed.
  bool run_until_idle();
  // All that happens in this time; then the time has passed.
  bool run_for(Duration time);
  // Until the condition holds, within `limit` of virtual time.
  bool run_until(const std::function<bool()>& condition, Duration limit = std::chrono::hours{1});

  // --- Scripted peers.
  // A client, from an address of its own unless one is given.
  [[nodiscard]] SimPeer connect(const net::Address& to, std::optional<net::Address> from = {});

  // --- Faults. Operations of the code under test are counted from 1, in the order in which it
  // makes them.
  void fail_operation(std::uint64_t number, SimFault fault = SimFault::kReset);
  [[nodiscard]] std::uint64_t operations() const noexcept { return operations_; }
  void fail_randomly(double probability, SimFault fault) {
    fault_probability_ = probability;
    random_fault_ = fault;
  }
  // While it is set, accept finds no descriptor and connect fails at once with kLimit.
  void set_out_of_descriptors(bool value) noexcept { out_of_descriptors_ = value; }
  // How many connections that the code under test has made may be open; one more is kLimit.
  void set_connections_max(std::size_t value) noexcept { connections_max_ = value; }
  void set_short_of_sockets(bool value) noexcept { short_of_sockets_ = value; }

  // Everything that happened, one line each; equal for equal seeds and scripts.
  [[nodiscard]] std::vector<std::string> trace() const;

  static constexpr std::size_t kStepsMax = 1'000'000;
  static constexpr std::size_t kTraceLinesMax = 200'000;

 private:
  friend class SimRuntime;
  friend class SimStream;
  friend class SimListener;
  friend class SimPeer;
  friend class SimServer;

  using Socket = std::shared_ptr<SimSocket>;
  struct Event {
    Monotonic at;
    std::uint64_t order = 0;
    std::function<void()> run;
  };
  // One line of the trace; made into text only if somebody asks.
  struct Note {
    Monotonic at;
    std::uint64_t socket = 0;
    const char* what = "";
    std::uint64_t number = 0;
  };
  // Who accepts at an address: a listener of the code under test, or a scripted server.
  struct Acceptor {
    net::Address address;
    std::uint64_t id = 0;
    std::function<void(Socket)> accept;
  };

  // Running.
  void at(Monotonic when, std::function<void()> run);
  bool work_now();
  [[nodiscard]] Monotonic next_time() const;
  void set_time(Monotonic now);
  bool run(Monotonic until, const std::function<bool()>& condition);

  // What travels. `from` is the end that does it.
  [[nodiscard]] Monotonic arrival(SimSocket& from);
  [[nodiscard]] Socket open(const net::Address& local, const net::Address& remote);
  void handshake(const Socket& client);
  void finish_handshake(const Socket& client, bool refused);
  void push(const Socket& from, std::string bytes);
  void deliver(const Socket& to, const std::string& bytes);
  void freed(const Socket& at);
  void pump(const Socket& peer);
  void send_fin(const Socket& from);
  void send_reset(const Socket& from);
  void close(const Socket& from);

  [[nodiscard]] const SimProfile& profile(const net::Address& address) const;
  [[nodiscard]] std::optional<SimFault> count_operation(const SimSocket& socket, const char* name);
  [[nodiscard]] const Acceptor* find_acceptor(const net::Address& address);
  [[nodiscard]] bool bound(const net::Address& address) const;
  std::uint64_t add_acceptor(const net::Address& address, std::function<void(Socket)> accept);
  void remove_acceptor(std::uint64_t id);
  [[nodiscard]] net::Address next_client();
  void note(const SimSocket& socket, const char* what, std::uint64_t number = 0);

  Monotonic now_;
  Random random_;
  std::vector<Event> events_;  // A heap: the earliest first, then in the order of their making.
  std::uint64_t next_order_ = 0;
  std::vector<SimRuntime*> runtimes_;
  std::vector<Acceptor> acceptors_;
  std::uint64_t next_acceptor_ = 1;
  std::map<net::Address, SimProfile> profiles_;
  SimProfile default_profile_;
  std::uint16_t next_port_ = 40000;
  std::uint32_t next_client_ = 0;
  std::uint64_t next_socket_ = 1;
  std::uint64_t operations_ = 0;
  std::map<std::uint64_t, SimFault> faults_;
  double fault_probability_ = 0;
  SimFault random_fault_ = SimFault::kReset;
  bool out_of_descriptors_ = false;
  bool short_of_sockets_ = false;
  std::size_t connections_max_ = SIZE_MAX;
  std::size_t connections_open_ = 0;
  std::vector<Note> trace_;
};

// A worker in the simulation.
class SimRuntime final : public net::Runtime {
 public:
  explicit SimRuntime(SimNetwork& network, net::BufferPools::Limits buffers = {});
  ~SimRuntime() override;

  [[nodiscard]] Result<std::unique_ptr<net::Stream>> connect(const net::Address& peer) override;
  [[nodiscard]] bool short_of_sockets() const noexcept override {
    return network_.short_of_sockets_;
  }
  [[nodiscard]] Result<std::unique_ptr<net::Listener>> listen(
      const net::ListenOptions& options, net::AcceptHandler on_accept) override;
  void post(std::function<void()> function) override;

 private:
  friend class SimNetwork;
  // One batch at the network's time, if there is work. Returns whether there was.
  bool run();

  SimNetwork& network_;
  std::deque<std::function<void()>> posted_;
};

// One end of a connection, in the hands of a test.
class SimPeer {
 public:
  SimPeer() = default;
  SimPeer(SimPeer&& other) noexcept = default;
  SimPeer& operator=(SimPeer&& other) noexcept;
  ~SimPeer();  // close()

  // Queues the bytes; they flow as fast as the other side reads them.
  void send(std::string_view bytes);
  void shutdown_send();  // FIN after everything queued.
  void reset();
  // As when the process ends: FIN after everything queued, a reset instead when bytes were not
  // read, and a reset for whatever arrives later.
  void close();

  // Everything received so far, or since the last take().
  [[nodiscard]] const std::string& received() const noexcept;
  std::string take();
  // A peer that has stopped reading: what is sent to it fills the buffers.
  void stop_reading();
  void resume_reading();
  // While it has stopped: takes so many of the bytes that have arrived.
  void read_some(std::size_t bytes);

  [[nodiscard]] bool connected() const noexcept;  // The other side has accepted.
  [[nodiscard]] bool refused() const noexcept;
  [[nodiscard]] bool saw_fin() const noexcept;
  [[nodiscard]] bool saw_reset() const noexcept;
  // The other side is gone, either way.
  [[nodiscard]] bool ended() const noexcept { return saw_fin() || saw_reset() || refused(); }
  // Bytes queued here that the other side has not taken yet.
  [[nodiscard]] std::size_t unsent() const noexcept;
  [[nodiscard]] const net::Address& local_address() const noexcept;

 private:
  friend class SimNetwork;
  friend class SimServer;
  SimPeer(SimNetwork& network, std::shared_ptr<SimSocket> socket);

  SimNetwork* network_ = nullptr;
  std::shared_ptr<SimSocket> socket_;
};

// A scripted upstream: accepts everything at its address; the test drives the connections.
class SimServer {
 public:
  SimServer(SimNetwork& network, const net::Address& address);
  ~SimServer();
  SimServer(const SimServer&) = delete;
  SimServer& operator=(const SimServer&) = delete;

  // The next connection that nobody has taken yet; runs the network until there is one. The
  // reference stays valid as long as the server. Fails the test (by an assertion) when none comes
  // within an hour of virtual time.
  [[nodiscard]] SimPeer& accept();
  // Connections so far; at(i) is the i-th.
  [[nodiscard]] std::size_t connections() const noexcept { return peers_.size(); }
  [[nodiscard]] SimPeer& at(std::size_t index) { return *peers_.at(index); }
  // Called whenever a connection of this server has received something: for servers that answer by
  // themselves.
  void on_data(std::function<void(SimPeer&)> answer) { answer_ = std::move(answer); }
  // Stops accepting: later connects are refused. Open connections stay.
  void stop();

 private:
  SimNetwork& network_;
  std::uint64_t acceptor_ = 0;
  std::size_t taken_ = 0;
  std::vector<std::unique_ptr<SimPeer>> peers_;
  std::function<void(SimPeer&)> answer_;
};

// parse_address for tests: aborts on a typing error.
[[nodiscard]] net::Address address(std::string_view text);

}  // namespace canaryd::test
