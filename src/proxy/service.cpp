#include "canaryd/proxy/service.hpp"

#include "proxy/connection.hpp"
#include "proxy/exchange.hpp"
#include "proxy/service_state.hpp"
#include "proxy/tunnel.hpp"

#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>
#include <utility>

namespace canaryd::proxy {
namespace {

// What forwarding may add to a head of the greatest size that comes in.
constexpr std::size_t kHeadAdditions = 16 * 1024;

void answer_overloaded(ServiceState& state, ListenerState& listener, net::Stream& stream) {
  listener.counters->count(ProxyError::kOverloaded);
  listener.gauge->refused.fetch_add(1, std::memory_order_relaxed);
  http::HeadBuffer out(state.head_scratch());
  LocalReply reply;
  reply.error = ProxyError::kOverloaded;
  reply.date = state.date();
  write_local_reply(out, reply);
  // One try: whoever does not take it at once gets a closed connection.
  static_cast<void>(stream.send(out.view()));
}

// A client that is busy on and off asks within this, and reads in the answer that it is the last
// one. As long as a drain is announced by default.
constexpr Duration kClosingGrace = std::chrono::seconds(5);

// Whoever is turned away may be sending still. These are beyond the limit of connections, so there
// are few at a time; others are closed at once.
constexpr int kLingeringMax = 64;

class Lingering {
 public:
  explicit Lingering(int& count) : count_(count) { ++count_; }
  Lingering(const Lingering&) = delete;
  Lingering& operator=(const Lingering&) = delete;
  ~Lingering() { --count_; }

 private:
  int& count_;
};

net::Task<void> see_off(ServiceState& state, std::unique_ptr<net::Stream> stream) {
  const Lingering place(state.lingering);
  net::Waiter waiter(state.runtime, state.group);
  co_await linger(state, *stream, waiter);
}

void accept(ServiceState& state,
            const ListenerPointer& listener,
            std::unique_ptr<net::Stream> stream) {
  ListenerGauge& gauge = *listener->gauge;
  if (gauge.active.load(std::memory_order_relaxed) >=
      static_cast<std::int64_t>(listener->spec->connections_max)) {
    answer_overloaded(state, *listener, *stream);
    if (state.lingering < kLingeringMax) {
      auto seeing_off = see_off(state, std::move(stream));
      state.group.spawn(std::move(seeing_off));
    } else {
      stream->shutdown_send();
    }
    return;
  }
  gauge.active.fetch_add(1, std::memory_order_relaxed);
  gauge.accepted.fetch_add(1, std::memory_order_relaxed);
  auto connection = std::make_unique<Connection>(state, listener, std::move(stream));
  if (state.draining) connection->stop_when_idle();
  auto session = Connection::serve(std::move(connection));
  state.group.spawn(std::move(session));
}

bool is_listener(const ListenerState& listener,
                 std::string_view name,
                 const net::Address& address) noexcept {
  return listener.spec->name == name && listener.spec->address == address;
}

}  // namespace

// ---- ListenerState

ListenerState::ListenerState(ServiceState& state_in)
    : net::TimerNode(state_in.runtime.wheel()), state_(state_in) {}

void ListenerState::end_at(Monotonic then) noexcept {
  ending = true;
  set_deadline(then);
}

void ListenerState::expired() {
  for (Connection* c = state_.connections; c != nullptr; c = c->next()) {
    if (c->listener().get() == this) c->stop_when_idle();
  }
}

// ---- ServiceState

ServiceState::ServiceState(net::Runtime& runtime_in, ServiceOptions options_in)
    : runtime(runtime_in),
      options(std::move(options_in)),
      mirrors(runtime_in),
      parity_copies(runtime_in),
      scratch(net::BufferPools::kLargeBytes + kHeadAdditions),
      group(runtime_in) {}

ServiceState::~ServiceState() = default;

std::span<char> ServiceState::head_scratch() noexcept {
  return scratch;
}

std::span<char> ServiceState::target_scratch(std::size_t bytes) {
  if (targets.size() < bytes) targets.resize(bytes);
  return targets;
}

std::span<char> ServiceState::rewrite_scratch(std::size_t bytes) {
  if (rewritten.size() < bytes) rewritten.resize(bytes);
  return rewritten;
}

// ---- Service

Service::Service(net::Runtime& runtime, ServiceOptions options)
    : state_(std::make_unique<ServiceState>(runtime, std::move(options))) {}

Service::~Service() = default;

void Service::publish(WorkerSnapshot snapshot) {
  const Snapshot& shared = *snapshot.shared;
  auto table = boost::make_local_shared<WorkerTable>();
  const WorkerTable* const old = state_->table.get();
  for (std::size_t i = 0; i < shared.upstreams.size(); ++i) {
    const upstream::UpstreamSpec& spec = shared.upstreams[i];
    const upstream::UpstreamShare& share = snapshot.upstreams[i];
    boost::local_shared_ptr<upstream::Upstream> kept;
    if (old != nullptr) {
      for (const auto& candidate : old->upstreams) {
        // The same counters mean that control regards it as the same upstream.
        if (candidate->share().counters == share.counters) kept = candidate;
      }
    }
    if (kept == nullptr || !(kept->spec() == spec) || !(kept->share() == share)) {
      kept = boost::make_local_shared<upstream::Upstream>(state_->runtime, spec, share, kept.get());
    }
    table->upstreams.push_back(std::move(kept));
  }
  if (state_->options.access != nullptr) state_->options.access->use(shared.access);
  table->snapshot = std::move(snapshot);
  state_->table = std::move(table);
  for (Tunnel* t = state_->tunnels; t != nullptr; t = t->next()) t->follow(*state_->table);
}

Result<net::Address> Service::open(OpenListener listener) {
  auto opened = boost::make_local_shared<ListenerState>(*state_);
  opened->spec = std::move(listener.spec);
  opened->counters = std::move(listener.counters);
  opened->gauge = std::move(listener.gauge);
  net::ListenOptions options;
  options.address = listener.bind.value_or(opened->spec->address);
  options.share = listener.share;
  options.inherited = listener.inherited;
  ServiceState* const state = state_.get();
  // The handler lives in the socket, which the listener state owns: a strong pointer would be a
  // ring.
  ListenerState* const raw = opened.get();
  auto socket = state->runtime.listen(options, [state, raw](std::unique_ptr<net::Stream> stream) {
    for (const ListenerPointer& candidate : state->listeners) {
      if (candidate.get() == raw) {
        const ListenerPointer kept = candidate;
        accept(*state, kept, std::move(stream));
        return;
      }
    }
  });
  if (!socket) return fail(std::move(socket).error());
  const net::Address bound = (*socket)->address();
  opened->socket = std::move(*socket);
  state->listeners.push_back(std::move(opened));
  return bound;
}

void Service::update(std::shared_ptr<const ListenerSpec> spec) {
  for (const ListenerPointer& listener : state_->listeners) {
    if (is_listener(*listener, spec->name, spec->address)) listener->spec = spec;
  }
  for (Connection* c = state_->connections; c != nullptr; c = c->next()) c->follow_spec();
}

void Service::close(std::string_view name, const net::Address& address) {
  auto& listeners = state_->listeners;
  for (const ListenerPointer& listener : listeners) {
    if (!is_listener(*listener, name, address)) continue;
    listener->end_at(state_->runtime.now() + kClosingGrace);
    // Accepts what is queued; those connections have the same time to ask.
    if (listener->socket != nullptr) listener->socket->close();
  }
  std::erase_if(listeners, [](const ListenerPointer& listener) { return listener->ending; });
}

void Service::count_overdue() noexcept {
  for (Exchange* e = state_->exchanges; e != nullptr; e = e->next()) {
    e->count_overdue();
    e->check_hang();
    e->check_silence();
  }
}

void Service::announce_drain() noexcept {
  state_->ending = true;
}

void Service::drain() {
  if (state_->draining) return;
  state_->ending = state_->draining = true;
  for (const ListenerPointer& listener : state_->listeners) {
    if (listener->socket != nullptr) listener->socket->close();
  }
  for (Connection* c = state_->connections; c != nullptr; c = c->next()) c->stop_when_idle();
}

void Service::cancel() {
  state_->group.cancel();
  state_->mirrors.cancel();
  state_->parity_copies.cancel();
}

std::size_t Service::connections() const noexcept {
  return state_->group.size();
}

void Service::on_empty(std::function<void()> callback) {
  state_->group.on_empty(std::move(callback));
}

}  // namespace canaryd::proxy
