#include "support/sim_socket.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::test {
namespace {

// Later ones sink in the heap.
bool later(const Monotonic a_at, std::uint64_t a_order, Monotonic b_at, std::uint64_t b_order) {
  return a_at != b_at ? a_at > b_at : a_order > b_order;
}

struct Ends {
  SimSocket client;
  SimSocket server;
};

}  // namespace

SimNetwork::SimNetwork(std::uint64_t seed) : now_(std::chrono::hours{1}), random_(seed) {}

SimNetwork::~SimNetwork() {
  CANARYD_ASSERT(runtimes_.empty());
  CANARYD_ASSERT(acceptors_.empty());
}

// --- Running.

void SimNetwork::at(Monotonic when, std::function<void()> run) {
  events_.push_back({when, next_order_++, std::move(run)});
  std::push_heap(events_.begin(), events_.end(), [](const Event& a, const Event& b) {
    return later(a.at, a.order, b.at, b.order);
  });
}

bool SimNetwork::work_now() {
  bool worked = false;
  while (!events_.empty() && events_.front().at <= now_) {
    std::pop_heap(events_.begin(), events_.end(), [](const Event& a, const Event& b) {
      return later(a.at, a.order, b.at, b.order);
    });
    const Event event = std::move(events_.back());
    events_.pop_back();
    event.run();
    worked = true;
  }
  for (SimRuntime* runtime : runtimes_) worked = runtime->run() || worked;
  return worked;
}

Monotonic SimNetwork::next_time() const {
  Monotonic result = events_.empty() ? net::kNever : events_.front().at;
  for (SimRuntime* runtime : runtimes_) {
    result = std::min(result, runtime->wheel().next_expiry());
  }
  return result;
}

void SimNetwork::set_time(Monotonic now) {
  now_ = now;
  for (SimRuntime* runtime : runtimes_) runtime->set_now(now);
}

// Until the condition holds (true), or nothing is left to do by `until` (false).
bool SimNetwork::run(Monotonic until, const std::function<bool()>& condition) {
  for (std::size_t step = 0; step < kStepsMax; ++step) {
    if (condition && condition()) return true;
    if (work_now()) continue;
    const Monotonic next = next_time();
    if (next > until || next == net::kNever) return false;
    set_time(std::max(now_, next));
  }
  return false;
}

bool SimNetwork::run_ready() {
  run(now_, nullptr);
  return !work_now();
}

bool SimNetwork::run_until_idle() {
  run(net::kNever, nullptr);
  return next_time() == net::kNever;
}

bool SimNetwork::run_for(Duration time) {
  const Monotonic until = now_ + time;
  run(until, nullptr);
  const bool done = next_time() > until;
  set_time(std::max(now_, until));
  return done;
}

bool SimNetwork::run_until(const std::function<bool()>& condition, Duration limit) {
  return run(now_ + limit, condition) || condition();
}

// --- Making connections.

SimNetwork::Socket SimNetwork::open(const net::Address& local, const net::Address& remote) {
  const auto ends = std::make_shared<Ends>();
  const Socket client(ends, &ends->client);
  const Socket server(ends, &ends->server);
  client->local = server->remote = local;
  client->remote = server->local = remote;
  client->other = server.get();
  server->other = client.get();
  client->self = client;
  server->self = server;
  client->profile = server->profile = profile(remote);
  client->id = next_socket_++;
  server->id = next_socket_++;
  return client;
}

void SimNetwork::handshake(const Socket& client) {
  note(*client, "connect", client->remote.port);
  if (client->profile.ignore) return;
  at(arrival(*client), [this, client] {
    if (client->closed) return;
    const Acceptor* acceptor = find_acceptor(client->remote);
    const bool refused = client->profile.refuse || acceptor == nullptr;
    const Socket server = client->other->self.lock();
    if (!refused) acceptor->accept(server);
    at(arrival(*server), [this, client, refused] { finish_handshake(client, refused); });
  });
}

void SimNetwork::finish_handshake(const Socket& client, bool refused) {
  note(*client, refused ? "refused" : "connected");
  client->refused = refused;
  client->connected = !refused;
  if (client->scripted) pump(client);
  // The connecting side has given up meanwhile.
  if (client->closed && !client->scripted && !refused) send_reset(client);
  if (client->stream != nullptr) client->stream->update();
}

SimPeer SimNetwork::connect(const net::Address& to, std::optional<net::Address> from) {
  const Socket client = open(from ? *from : next_client(), to);
  client->scripted = true;
  handshake(client);
  return SimPeer(*this, client);
}

net::Address SimNetwork::next_client() {
  const std::uint32_t number = next_client_++;
  const auto octet = [number](unsigned shift) {
    return static_cast<std::uint8_t>((number >> shift) & 0xffU);
  };
  return {.ip = IpAddress::v4({10, octet(16), octet(8), octet(0)}), .port = 50000};
}

// --- What travels.

Monotonic SimNetwork::arrival(SimSocket& from) {
  const Duration jitter = from.profile.jitter;
  Monotonic when = now_ + from.profile.delay;
  if (jitter > Duration::zero()) {
    when += Duration(
        static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(jitter.count()) + 1)));
  }
  from.last_arrival = std::max(when, from.last_arrival);
  return from.last_arrival;
}

void SimNetwork::push(const Socket& from, std::string bytes) {
  const Socket to = from->other->self.lock();
  to->under_way += bytes.size();
  at(arrival(*from), [this, to, bytes = std::move(bytes)] { deliver(to, bytes); });
}

void SimNetwork::deliver(const Socket& to, const std::string& bytes) {
  to->under_way -= bytes.size();
  if (to->reset) return;
  if (to->closed) return send_reset(to);
  if (to->scripted && to->reading) {
    to->received += bytes;
    freed(to);
    if (to->on_data) to->on_data();
    return;
  }
  to->arrived += bytes;
  if (to->stream != nullptr) to->stream->update();
}

// Room has come up at this end: its sender may go on.
void SimNetwork::freed(const Socket& end) {
  const Socket sender = end->other->self.lock();
  if (sender->scripted) return pump(sender);
  if (sender->stream == nullptr || sender->stream->writable_flag()) return;
  at(now_, [sender] {
    if (sender->stream != nullptr) sender->stream->update();
  });
}

void SimNetwork::pump(const Socket& peer) {
  if (!peer->connected || peer->reset) return;
  const std::size_t bytes = std::min(peer->room(), peer->queued.size());
  if (bytes > 0) {
    push(peer, peer->queued.substr(0, bytes));
    peer->queued.erase(0, bytes);
  }
  if (peer->queued.empty() && peer->fin_wanted && !peer->fin_sent) send_fin(peer);
}

void SimNetwork::send_fin(const Socket& from) {
  note(*from, "fin");
  from->fin_sent = true;
  const Socket to = from->other->self.lock();
  at(arrival(*from), [to] {
    to->fin_arrived = true;
    if (to->stream != nullptr) to->stream->update();
  });
}

void SimNetwork::send_reset(const Socket& from) {
  if (from->reset) return;
  note(*from, "reset");
  from->reset = true;
  const Socket to = from->other->self.lock();
  at(arrival(*from), [to] {
    to->reset = true;
    if (to->stream != nullptr) to->stream->update();
  });
}

void SimNetwork::close(const Socket& from) {
  if (std::exchange(from->closed, true) || from->reset || from->refused) return;
  // Linux resets a connection that is closed with bytes unread (RFC 2525, section 2.17).
  if (!from->arrived.empty()) return send_reset(from);
  from->fin_wanted = true;
  if (from->scripted) return pump(from);
  if (from->connected && !from->fin_sent) send_fin(from);
}

// --- Looking things up.

void SimNetwork::set_profile(const net::Address& address, const SimProfile& profile) {
  profiles_[address] = profile;
}

const SimProfile& SimNetwork::profile(const net::Address& address) const {
  const auto found = profiles_.find(address);
  return found == profiles_.end() ? default_profile_ : found->second;
}

void SimNetwork::fail_operation(std::uint64_t number, SimFault fault) {
  faults_[number] = fault;
}

std::optional<SimFault> SimNetwork::count_operation(const SimSocket& socket, const char* name) {
  ++operations_;
  note(socket, name, operations_);
  const auto found = faults_.find(operations_);
  if (found != faults_.end()) return found->second;
  if (fault_probability_ > 0 && random_.chance(fault_probability_)) return random_fault_;
  return std::nullopt;
}

bool SimNetwork::bound(const net::Address& address) const {
  return std::any_of(acceptors_.begin(), acceptors_.end(), [&](const Acceptor& each) {
    return each.address == address;
  });
}

// Any of those that share the address; one that is bound to every address only when nobody is bound
// to this one.
const SimNetwork::Acceptor* SimNetwork::find_acceptor(const net::Address& address) {
  std::vector<const Acceptor*> exact;
  std::vector<const Acceptor*> any;
  for (const Acceptor& each : acceptors_) {
    if (each.address == address) exact.push_back(&each);
    if (each.address.ip.is_unspecified() && each.address.port == address.port) any.push_back(&each);
  }
  const auto& found = exact.empty() ? any : exact;
  if (found.empty()) return nullptr;
  return found.size() == 1 ? found.front() : found[random_.below(found.size())];
}

std::uint64_t SimNetwork::add_acceptor(const net::Address& address,
                                       std::function<void(Socket)> accept) {
  acceptors_.push_back({address, next_acceptor_, std::move(accept)});
  return next_acceptor_++;
}

void SimNetwork::remove_acceptor(std::uint64_t id) {
  std::erase_if(acceptors_, [id](const Acceptor& each) { return each.id == id; });
}

void SimNetwork::note(const SimSocket& socket, const char* what, std::uint64_t number) {
  if (trace_.size() < kTraceLinesMax) trace_.push_back({now_, socket.id, what, number});
}

std::vector<std::string> SimNetwork::trace() const {
  std::vector<std::string> lines;
  for (const Note& each : trace_) {
    std::string line = std::to_string(each.at.time_since_epoch().count());
    line += " #" + std::to_string(each.socket) + " " + each.what;
    if (each.number != 0) line += " " + std::to_string(each.number);
    lines.push_back(std::move(line));
  }
  return lines;
}

net::Address address(std::string_view text) {
  const auto parsed = parse_socket_address(text);
  CANARYD_ASSERT(parsed.has_value());
  return *parsed;
}

}  // namespace canaryd::test
