#include "proxy/tunnel.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::proxy {
namespace {

using State = TunnelFlow::State;

// Reads of one pump before others get a turn.
constexpr int kReadsPerTurn = 16;

Monotonic after(Monotonic from, Duration timeout) noexcept {
  return timeout > Duration::zero() && from != net::kNever ? from + timeout : net::kNever;
}

}  // namespace

// ---- TunnelFlow

TunnelFlow::TunnelFlow(net::BufferPool& blocks,
                       bool masked,
                       net::Buffer block,
                       std::string_view received)
    : blocks_(&blocks), block_(std::move(block)), frames_(masked), input_(received) {}

State TunnelFlow::pump(net::Stream& from, net::Stream& to) {
  if (stopped_) return *stopped_;
  int reads = 0;
  for (;;) {
    if (!pending_.empty()) {
      if (const auto waiting = send(to)) return *waiting;
      continue;
    }
    if (finishing_) {
      to.shutdown_send();
      return stop(State::kEnded);
    }
    if (goodbye_ && frames_.at_boundary()) {
      input_ = {};
      if (!frames_.closed()) pending_ = goodbye_->bytes();
      finishing_ = true;
      continue;
    }
    if (!input_.empty()) {
      digest();
      continue;
    }
    if (!from.readable_flag()) {
      block_.release();
      return State::kNeedRead;
    }
    if (++reads > kReadsPerTurn) return State::kYield;
    if (const auto stopped = read(from)) return *stopped;
  }
}

State TunnelFlow::stop(State state) noexcept {
  block_.release();
  stopped_ = state;
  return state;
}

std::optional<State> TunnelFlow::send(net::Stream& to) {
  if (!to.writable_flag()) return State::kNeedWrite;
  const net::IoResult sent = to.send(pending_);
  if (sent.failed() || sent.eof()) return stop(State::kSinkFailed);
  bytes_ += sent.bytes;
  pending_.remove_prefix(sent.bytes);
  if (pending_.empty()) return std::nullopt;
  return State::kNeedWrite;
}

// All of it, or one frame's end when that is where we stop.
void TunnelFlow::digest() noexcept {
  std::size_t taken = 0;
  do {
    taken += frames_.next(input_.substr(taken));
  } while (taken < input_.size() && !goodbye_);
  pending_ = input_.substr(0, taken);
  input_.remove_prefix(taken);
}

std::optional<State> TunnelFlow::read(net::Stream& from) {
  // What came behind a head may lie in a block that is small or large.
  if (block_.size() != blocks_->block_bytes()) {
    auto block = blocks_->acquire();
    if (!block) return stop(State::kNoBuffer);
    block_ = std::move(*block);
  }
  const net::IoResult got = from.recv(block_.span());
  if (got.ok()) {
    bytes_read_ += got.bytes;
    input_ = {block_.data(), got.bytes};
    return std::nullopt;
  }
  if (got.would_block()) return std::nullopt;  // The flag is down now.
  source_ended_ = true;
  if (got.failed()) return stop(State::kBroken);
  finishing_ = true;
  return std::nullopt;
}

void TunnelFlow::end_now_with(const http::CloseFrame& frame, net::Stream& to) {
  if (stopped_) return;
  const bool has_place = pending_.empty() && input_.empty() && frames_.at_boundary();
  if (has_place && !frames_.closed()) static_cast<void>(to.send(frame.bytes()));
  to.shutdown_send();
}

// ---- Tunnel

Tunnel::Tunnel(TunnelSetup setup)
    : state_(setup.connection->state()),
      connection_(*setup.connection),
      client_(setup.connection->stream()),
      server_(*setup.server),
      upstream_(*setup.upstream),
      timeouts_(*setup.timeouts),
      rollout_(setup.rollout),
      cohort_(setup.cohort),
      counters_(*setup.counters),
      to_server_(
          state_.runtime.buffers().small, true, std::move(setup.client_block), setup.from_client),
      to_client_(
          state_.runtime.buffers().small, false, std::move(setup.server_block), setup.from_server),
      up_moved_at_(now()),
      down_moved_at_(now()),
      next_(state_.tunnels) {
  if (next_ != nullptr) next_->previous_ = this;
  state_.tunnels = this;
  counters_.begin_tunnel();
  // The table may have changed during the handshake.
  follow(*state_.table);
}

Tunnel::~Tunnel() {
  (previous_ != nullptr ? previous_->next_ : state_.tunnels) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  counters_.end_tunnel(to_server_.bytes(), to_client_.bytes());
}

net::Task<TunnelResult> Tunnel::run() {
  net::Waiter& waiter = connection_.waiter();
  for (;;) {
    up_ = to_server_.pump(client_, server_);
    down_ = to_client_.pump(server_, client_);
    note();
    if (over()) break;
    const Monotonic by = wake_at();
    if (by <= now()) {
      look();
      if (deadline() <= now()) expire();
      continue;
    }
    if (up_ == State::kYield || down_ == State::kYield) {
      const net::Wake turn = co_await waiter.yield();
      if (turn == net::Wake::kReady) continue;
    } else {
      const net::Wake wake = co_await waiter.until(
          by, client_interest(), server_interest(), net::readable(table_changed_));
      table_changed_.clear();
      if (wake != net::Wake::kCancelled) continue;
    }
    leave_now();
    break;
  }
  co_return result();
}

// ---- What happened

void Tunnel::note() noexcept {
  if (to_server_.progress() != up_progress_) {
    up_progress_ = to_server_.progress();
    up_moved_at_ = now();
  }
  if (to_client_.progress() != down_progress_) {
    down_progress_ = to_client_.progress();
    down_moved_at_ = now();
  }
  if (down_ == State::kNeedWrite) held_up_until_ = now();
  const bool client_left = to_server_.source_ended() || to_server_.frames().closed() ||
                           down_ == State::kSinkFailed || client_.error();
  const bool upstream_left = to_client_.source_ended() || to_client_.frames().closed();
  // In doubt it was the client: nobody is blamed for that.
  if (first_to_leave_ == Leaver::kNobody) {
    if (client_left) {
      first_to_leave_ = Leaver::kClient;
    } else if (upstream_left) {
      first_to_leave_ = Leaver::kUpstream;
      bad_end_ = upstream_ended_badly();
    }
  }
  const bool half = up_ == State::kEnded || up_ == State::kSinkFailed || down_ == State::kEnded;
  if (half && half_closed_at_ == net::kNever) half_closed_at_ = now();
}

// A version that closes says so in a Close frame (RFC 6455 section 7.1.1), and with 1011 that it
// failed: what 500 is to a request. Of bytes that are no frames only a reset tells anything. A
// client that sends such, or does not mask, must be cut off (section 5.1) in any way.
bool Tunnel::upstream_ended_badly() const noexcept {
  if (to_server_.frames().lost()) return false;
  const http::FrameTracker& frames = to_client_.frames();
  if (frames.closed()) return frames.close_code() == http::kCloseInternalError;
  return down_ == State::kBroken || !frames.lost();
}

bool Tunnel::over() noexcept {
  if (cut_) return true;
  if (up_ == State::kNoBuffer || down_ == State::kNoBuffer) {
    cut(ProxyError::kOverloaded);
    return true;
  }
  // Behind a reset nothing can be passed on.
  if (client_.error() || up_ == State::kBroken) return true;
  if (down_ == State::kBroken || down_ == State::kSinkFailed) return true;
  return down_ == State::kEnded && (up_ == State::kEnded || up_ == State::kSinkFailed);
}

TunnelResult Tunnel::result() const noexcept {
  TunnelResult result;
  result.client_closed = to_server_.source_ended();
  // Not a side that has had its goodbye: it may still be reading it.
  result.reset_client = down_ == State::kBroken || (cut_ && down_ != State::kEnded);
  result.reset_server = up_ == State::kBroken || client_.error() || (cut_ && up_ != State::kEnded);
  result.error = error_;
  result.bytes_in = to_server_.bytes();
  result.bytes_out = to_client_.bytes();
  if (first_to_leave_ == Leaver::kUpstream && bad_end_) result.error = ProxyError::kUpstreamReset;
  if (first_to_leave_ == Leaver::kClient && !to_server_.frames().closed()) {
    result.error = ProxyError::kClientGone;
  }
  return result;
}

// ---- Waiting

// Whoever is broken raises all flags for good, and is not waited for any more.
net::Interest Tunnel::client_interest() const noexcept {
  net::Events events = client_.error() ? net::Events{0} : net::kBroken;
  if (up_ == State::kNeedRead) events |= net::kReadable;
  if (down_ == State::kNeedWrite) events |= net::kWritable;
  return net::when(client_, events);
}

net::Interest Tunnel::server_interest() const noexcept {
  net::Events events = server_.error() ? net::Events{0} : net::kBroken;
  if (down_ == State::kNeedRead) events |= net::kReadable;
  if (up_ == State::kNeedWrite) events |= net::kWritable;
  return net::when(server_, events);
}

// One that answers as it reads, such as an echo, stops reading when its client does not take what
// it says: then it is the client that is waited for.
Monotonic Tunnel::upstream_deadline() const noexcept {
  if (up_ != State::kNeedWrite || down_ == State::kNeedWrite) return net::kNever;
  return after(std::max(up_moved_at_, held_up_until_), timeouts_.body_idle);
}

Monotonic Tunnel::deadline() const noexcept {
  if (goodbye_by_ != net::kNever) return goodbye_by_;
  Monotonic at = std::min(evict_at_, after(half_closed_at_, kHalfClosed));
  at = std::min(at, after(std::max(up_moved_at_, down_moved_at_), timeouts_.tunnel_idle));
  if (down_ == State::kNeedWrite) {
    at = std::min(at, after(down_moved_at_, connection_.spec().write_stall_timeout));
  }
  return std::min(at, upstream_deadline());
}

// A deadline, or the next look at who takes nothing.
Monotonic Tunnel::wake_at() const noexcept {
  Monotonic at = deadline();
  if (goodbye_by_ != net::kNever) return at;
  if (down_ == State::kNeedWrite) {
    const Duration limit = connection_.spec().write_stall_timeout;
    at = std::min(at, down_backlog_.look_at(down_moved_at_, limit));
  }
  if (up_ == State::kNeedWrite) {
    at = std::min(at, up_backlog_.look_at(up_moved_at_, timeouts_.body_idle));
  }
  return at;
}

// Which deadlines are not up yet after all: a socket that takes no more may still be emptying.
void Tunnel::look() noexcept {
  if (down_ == State::kNeedWrite && down_backlog_.look(client_, down_moved_at_, now())) {
    down_moved_at_ = now();
  }
  if (up_ == State::kNeedWrite && up_backlog_.look(server_, up_moved_at_, now())) {
    up_moved_at_ = now();
  }
}

void Tunnel::expire() {
  if (goodbye_by_ <= now() || after(half_closed_at_, kHalfClosed) <= now()) {
    cut(ProxyError::kNone);
  } else if (down_ == State::kNeedWrite &&
             after(down_moved_at_, connection_.spec().write_stall_timeout) <= now()) {
    cut(ProxyError::kClientGone);
  } else if (upstream_deadline() <= now()) {
    cut(ProxyError::kTimeout);
  } else {
    say_goodbye();
  }
}

// ---- The end by us

void Tunnel::cut(ProxyError error) noexcept {
  cut_ = true;
  error_ = error;
  if (first_to_leave_ == Leaver::kNobody) first_to_leave_ = Leaver::kUs;
}

http::CloseFrame Tunnel::goodbye_to_server() const noexcept {
  const auto mask = static_cast<std::uint32_t>(state_.runtime.random().next()) | 1U;
  return http::CloseFrame(http::kCloseGoingAway, mask);
}

void Tunnel::say_goodbye() {
  if (first_to_leave_ == Leaver::kNobody) first_to_leave_ = Leaver::kUs;
  goodbye_by_ = now() + kGoodbyeTime;
  to_client_.end_with(http::CloseFrame(http::kCloseGoingAway));
  to_server_.end_with(goodbye_to_server());
}

void Tunnel::leave_now() {
  if (first_to_leave_ == Leaver::kNobody) first_to_leave_ = Leaver::kUs;
  to_client_.end_now_with(http::CloseFrame(http::kCloseGoingAway), client_);
  to_server_.end_now_with(goodbye_to_server(), server_);
}

// ---- A new table

// Of what is not in the file any more, the last that was known.
upstream::Tunnels Tunnel::policy_in(
    const std::vector<upstream::UpstreamSpec>& specs) const noexcept {
  const auto found = std::find_if(
      specs.begin(), specs.end(), [&](const auto& spec) { return spec.name == upstream_.name; });
  return found != specs.end() ? found->tunnels : upstream_.tunnels;
}

// The policy, if nobody goes to this canary any more. The gate is not asked: it is also shut while
// a canary is only suspended, and a rollback is followed by a table.
std::optional<upstream::Tunnels> Tunnel::eviction(const WorkerTable& table) const noexcept {
  const auto& rollouts = table.snapshot.shared->table->rollouts();
  const auto& specs = table.snapshot.shared->upstreams;
  const auto named = [&](const routing::Rollout& rollout) {
    return rollout.name == rollout_->name;
  };
  // Nearly always it has kept its place.
  auto found = rollouts.begin() +
               static_cast<std::ptrdiff_t>(std::min(rollout_->id.index(), rollouts.size()));
  if (found == rollouts.end() || !named(*found)) {
    found = std::find_if(rollouts.begin(), rollouts.end(), named);
  }
  if (found == rollouts.end()) return policy_in(specs);
  const upstream::UpstreamSpec& canary = specs[found->canary.index()];
  // What was promoted has become the stable version of the next one.
  if (specs[found->stable.index()].name == upstream_.name) return std::nullopt;
  if (canary.name != upstream_.name) return policy_in(specs);
  const bool evicted =
      found->traffic == routing::Traffic::kStableOnly ||
      (found->traffic == routing::Traffic::kSplit && found->weight == BasisPoints(0));
  if (!evicted) return std::nullopt;
  return canary.tunnels;
}

// The time counts from the first table that says so, whatever a later one makes of it.
void Tunnel::follow(const WorkerTable& table) noexcept {
  if (cohort_ != Cohort::kCanary) return;
  const auto policy = eviction(table);
  if (!policy) {
    evicted_at_ = net::kNever;
  } else if (evicted_at_ == net::kNever) {
    evicted_at_ = now();
  }
  const bool closes = policy && policy->close_on_rollback;
  const Monotonic at = closes ? evicted_at_ + policy->after : net::kNever;
  if (at == evict_at_) return;
  evict_at_ = at;
  table_changed_.set();
}

}  // namespace canaryd::proxy
