// A WebSocket connection after its handshake: bytes both ways until somebody ends it.
//
// One coroutine moves both directions, each through at most one small block; while the receiver
// takes nothing the sender is not read, and a direction in which nothing is under way holds no
// block. Half a close is passed on as half a close. Frames are followed, not read
// (http/websocket.hpp), for two things: to tell who closed, and in order or not, and to say goodbye
// between two frames instead of in the middle of one.
//
// It ends by itself when both sides have closed; when nothing has moved for `timeouts.tunnel_idle`;
// when a side takes no bytes for as long as a body may stall; when one side has closed and the
// other does not for kHalfClosed; and, for a canary's, `tunnels.after`, as the newest table has it,
// after the first one that says that nobody goes to that canary any more. Whoever it then ends for
// gets a Close frame 1001 "going away", if there is a place for it within kGoodbyeTime.
//
// Thread rule: one worker. Linked into its service, so that a new table reaches it.
#pragma once

#include "canaryd/http/websocket.hpp"
#include "canaryd/net/buffer_pool.hpp"
#include "canaryd/net/stream.hpp"
#include "canaryd/net/task.hpp"
#include "canaryd/net/waiter.hpp"
#include "canaryd/proxy/counters.hpp"
#include "canaryd/stats/counter_block.hpp"
#include "proxy/backlog.hpp"
#include "proxy/connection.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace canaryd::proxy {

// One direction of a tunnel.
class TunnelFlow {
 public:
  enum class State : std::uint8_t {
    kNeedRead,
    kNeedWrite,
    kYield,       // Could go on; let others have a turn.
    kEnded,       // All is sent, and our FIN behind it.
    kBroken,      // The sender's connection failed.
    kSinkFailed,  // The receiver is gone.
    kNoBuffer,
  };

  // `received` lies in the block and is sent first.
  TunnelFlow(net::BufferPool& blocks, bool masked, net::Buffer block, std::string_view received);

  [[nodiscard]] State pump(net::Stream& from, net::Stream& to);
  // Nothing is read beyond the frame under way; then this goes out, and the FIN.
  void end_with(const http::CloseFrame& frame) noexcept { goodbye_ = frame; }
  // The same, but now or never, for one who cannot wait.
  void end_now_with(const http::CloseFrame& frame, net::Stream& to);

  [[nodiscard]] const http::FrameTracker& frames() const noexcept { return frames_; }
  // The sender has ended its side, orderly or not.
  [[nodiscard]] bool source_ended() const noexcept { return source_ended_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  // Rises with every progress.
  [[nodiscard]] std::uint64_t progress() const noexcept { return bytes_ + bytes_read_; }

 private:
  [[nodiscard]] std::optional<State> send(net::Stream& to);
  void digest() noexcept;
  [[nodiscard]] std::optional<State> read(net::Stream& from);
  State stop(State state) noexcept;

  net::BufferPool* blocks_;
  net::Buffer block_;
  http::FrameTracker frames_;
  std::string_view input_;    // Received, not followed yet.
  std::string_view pending_;  // Followed, not sent yet.
  std::optional<http::CloseFrame> goodbye_;
  std::optional<State> stopped_;  // It stays in this one.
  std::uint64_t bytes_ = 0;       // Sent.
  std::uint64_t bytes_read_ = 0;
  bool finishing_ = false;  // Behind what is pending comes our FIN.
  bool source_ended_ = false;
};

struct TunnelSetup {
  Connection* connection = nullptr;
  net::Stream* server = nullptr;
  const upstream::UpstreamSpec* upstream = nullptr;
  const upstream::Timeouts* timeouts = nullptr;
  const routing::Rollout* rollout = nullptr;  // Null for a route without one.
  Cohort cohort = Cohort::kNone;
  stats::CounterBlock* counters = nullptr;
  net::Buffer client_block;
  std::string_view from_client;  // What came behind the request, in that block.
  net::Buffer server_block;
  std::string_view from_server;
};

struct TunnelResult {
  // Of the tunnel, not of the handshake. kUpstreamReset and kTimeout are the upstream's fault.
  ProxyError error = ProxyError::kNone;
  bool reset_client = false;  // It must not look like a clean end.
  bool reset_server = false;
  bool client_closed = false;  // Its FIN has come; else it may still be reading our goodbye.
  std::uint64_t bytes_in = 0;  // From the client.
  std::uint64_t bytes_out = 0;
};

class Tunnel {
 public:
  static constexpr Duration kHalfClosed = std::chrono::seconds(30);
  static constexpr Duration kGoodbyeTime = std::chrono::seconds(1);

  // All that the setup points to outlives it.
  explicit Tunnel(TunnelSetup setup);
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel();

  [[nodiscard]] net::Task<TunnelResult> run();
  // A new table is in force.
  void follow(const WorkerTable& table) noexcept;
  [[nodiscard]] Tunnel* next() const noexcept { return next_; }

 private:
  enum class Leaver : std::uint8_t { kNobody, kClient, kUpstream, kUs };

  [[nodiscard]] upstream::Tunnels policy_in(
      const std::vector<upstream::UpstreamSpec>& specs) const noexcept;
  [[nodiscard]] std::optional<upstream::Tunnels> eviction(const WorkerTable& table) const noexcept;
  void note() noexcept;
  [[nodiscard]] bool upstream_ended_badly() const noexcept;
  [[nodiscard]] bool over() noexcept;
  [[nodiscard]] Monotonic deadline() const noexcept;
  [[nodiscard]] Monotonic wake_at() const noexcept;
  void look() noexcept;
  void expire();
  void cut(ProxyError error) noexcept;
  void say_goodbye();
  void leave_now();
  [[nodiscard]] TunnelResult result() const noexcept;
  [[nodiscard]] net::Interest client_interest() const noexcept;
  [[nodiscard]] net::Interest server_interest() const noexcept;
  // When the upstream has taken nothing for too long.
  [[nodiscard]] Monotonic upstream_deadline() const noexcept;
  [[nodiscard]] http::CloseFrame goodbye_to_server() const noexcept;
  [[nodiscard]] Monotonic now() const noexcept { return state_.runtime.now(); }

  ServiceState& state_;
  Connection& connection_;
  net::Stream& client_;
  net::Stream& server_;
  const upstream::UpstreamSpec& upstream_;
  const upstream::Timeouts& timeouts_;
  const routing::Rollout* rollout_;
  Cohort cohort_;
  stats::CounterBlock& counters_;
  TunnelFlow to_server_;
  TunnelFlow to_client_;
  TunnelFlow::State up_ = TunnelFlow::State::kNeedRead;
  TunnelFlow::State down_ = TunnelFlow::State::kNeedRead;

  Monotonic up_moved_at_;
  Monotonic down_moved_at_;
  Monotonic held_up_until_ = Monotonic::min();  // The upstream, by a client that takes no more.
  Backlog up_backlog_;
  Backlog down_backlog_;
  Monotonic half_closed_at_ = net::kNever;
  Monotonic evicted_at_ = net::kNever;  // Nobody goes to its canary since then.
  Monotonic evict_at_ = net::kNever;
  Monotonic goodbye_by_ = net::kNever;  // Set once we end it.
  std::uint64_t up_progress_ = 0;
  std::uint64_t down_progress_ = 0;
  Leaver first_to_leave_ = Leaver::kNobody;
  bool bad_end_ = false;  // The upstream's, if it was the first.
  bool cut_ = false;
  ProxyError error_ = ProxyError::kNone;

  net::Signal table_changed_;
  Tunnel* next_ = nullptr;
  Tunnel* previous_ = nullptr;
};

}  // namespace canaryd::proxy
