#include "net/acceptor.hpp"
#include "support/sim_socket.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace canaryd::test {

using net::IoResult;
using net::IoStatus;

// --- Stream.

SimStream::SimStream(SimNetwork& network, std::shared_ptr<SimSocket> socket, net::Events initial)
    : Stream(initial), network_(network), socket_(std::move(socket)) {
  socket_->stream = this;
}

SimStream::~SimStream() {
  if (open_ != nullptr) --*open_;
  socket_->stream = nullptr;
  network_.close(socket_);
}

void SimStream::update() {
  net::Events events = 0;
  if (!socket_->arrived.empty()) events |= net::kReadable;
  if (socket_->connected && socket_->room() >= socket_->profile.send_room_min)
    events |= net::kWritable;
  if (socket_->fin_arrived) events |= net::kReadable | net::kHangup;
  if (socket_->fin_arrived && socket_->fin_sent) events |= net::kWritable;
  if (socket_->reset || socket_->refused) events |= net::kBroken;
  if (events != 0) raise(events);
}

void SimStream::update_soon() {
  network_.at(network_.now(), [socket = socket_] {
    if (socket->stream != nullptr) socket->stream->update();
  });
}

IoResult SimStream::broken_now() noexcept {
  raise(net::kBroken);
  const ErrorCode code = socket_->refused ? ErrorCode::kRefused : ErrorCode::kReset;
  return {.status = IoStatus::kError, .code = code};
}

std::optional<IoResult> SimStream::hit(const char* operation, net::Events flag) {
  const auto fault = network_.count_operation(*socket_, operation);
  if (!fault) return std::nullopt;
  if (*fault == SimFault::kWouldBlock) {
    lower(flag);
    update_soon();
    return IoResult{.status = IoStatus::kWouldBlock};
  }
  socket_->arrived.clear();
  network_.send_reset(socket_);
  return broken_now();
}

bool SimStream::is_quiet() const {
  const SimSocket& socket = *socket_;
  return socket.arrived.empty() && !socket.fin_arrived && !socket.reset && !socket.refused;
}

std::optional<std::size_t> SimStream::unacknowledged() const noexcept {
  if (socket_->reset || socket_->closed) return std::nullopt;
  return socket_->unacknowledged();
}

IoResult SimStream::recv(std::span<char> into) {
  CANARYD_ASSERT(!into.empty());
  if (!readable_flag()) return {.status = IoStatus::kWouldBlock};
  if (const auto result = hit("recv", net::kReadable)) return *result;
  std::string& arrived = socket_->arrived;
  if (arrived.empty()) {
    if (socket_->reset || socket_->refused) return broken_now();
    if (socket_->fin_arrived) return {.status = IoStatus::kEof};
    lower(net::kReadable);
    return {.status = IoStatus::kWouldBlock};
  }
  const std::size_t bytes =
      std::min({into.size(), arrived.size(), socket_->profile.recv_bytes_max});
  std::memcpy(into.data(), arrived.data(), bytes);
  arrived.erase(0, bytes);
  network_.freed(socket_);
  if (bytes < into.size() && !hangup()) {
    lower(net::kReadable);
    if (!arrived.empty()) update_soon();  // As if the rest had arrived just now.
  }
  return {.bytes = bytes};
}

IoResult SimStream::send(std::string_view first, std::string_view second) {
  if (socket_->reset || socket_->refused || socket_->closed) return broken_now();
  if (!writable_flag()) return {.status = IoStatus::kWouldBlock};
  const std::size_t wanted = first.size() + second.size();
  if (wanted == 0) return {};
  if (const auto result = hit("send", net::kWritable)) return *result;
  if (socket_->fin_sent) return broken_now();
  const std::size_t bytes = std::min({wanted, socket_->room(), socket_->profile.send_bytes_max});
  if (bytes > 0) {
    std::string sent(first.substr(0, bytes));
    sent += second.substr(0, bytes - sent.size());
    network_.push(socket_, std::move(sent));
  }
  if (bytes < wanted) {
    lower(net::kWritable);
    if (socket_->room() > 0) update_soon();
  }
  if (bytes == 0) return {.status = IoStatus::kWouldBlock};
  return {.bytes = bytes};
}

void SimStream::shutdown_send() {
  if (socket_->connected && !socket_->fin_sent && !socket_->closed) network_.send_fin(socket_);
}

void SimStream::reset() {
  socket_->arrived.clear();
  socket_->closed = true;
  network_.send_reset(socket_);
  raise(net::kBroken);
}

std::optional<ErrorCode> SimStream::connect_error() {
  if (socket_->refused) return ErrorCode::kRefused;
  if (socket_->reset) return ErrorCode::kReset;
  return std::nullopt;
}

const net::Address& SimStream::peer_address() const noexcept {
  return socket_->remote;
}
net::Address SimStream::local_address() const {
  return socket_->local;
}

// --- Listener.

class SimListener final : public net::Acceptor {
 public:
  SimListener(SimNetwork& network,
              net::Runtime& runtime,
              const net::Address& address,
              net::AcceptHandler on_accept)
      : Acceptor(runtime, std::move(on_accept)), network_(network), address_(address) {
    id_ = network_.add_acceptor(address_, [this](std::shared_ptr<SimSocket> socket) {
      queue_.push_back(std::move(socket));
      wake();
    });
  }
  ~SimListener() override { close_socket(); }

  [[nodiscard]] const net::Address& address() const noexcept override { return address_; }

 private:
  Accepted accept_one() override {
    if (queue_.empty()) return {Outcome::kWouldBlock, nullptr};
    if (network_.out_of_descriptors_) return {Outcome::kExhausted, nullptr};
    const auto fault = network_.count_operation(*queue_.front(), "accept");
    if (fault == SimFault::kWouldBlock) {
      wake();
      return {Outcome::kWouldBlock, nullptr};
    }
    const auto socket = std::move(queue_.front());
    queue_.pop_front();
    if (fault) {
      network_.send_reset(socket);
      return {Outcome::kFailed, nullptr};
    }
    socket->connected = true;
    auto stream = std::make_unique<SimStream>(network_, socket, net::kWritable);
    // The first bytes are an event of their own, even if they are here.
    network_.at(network_.now(), [socket] {
      if (socket->stream != nullptr) socket->stream->update();
    });
    return {Outcome::kAccepted, std::move(stream)};
  }

  void close_socket() override {
    if (std::exchange(open_, false)) network_.remove_acceptor(id_);
    for (const auto& socket : queue_) network_.send_reset(socket);
    queue_.clear();
  }

  SimNetwork& network_;
  net::Address address_;
  std::uint64_t id_ = 0;
  bool open_ = true;
  std::deque<std::shared_ptr<SimSocket>> queue_;
};

// --- Runtime.

SimRuntime::SimRuntime(SimNetwork& network, net::BufferPools::Limits buffers)
    : Runtime({.now = network.now(), .seed = network.random().next(), .buffers = buffers}),
      network_(network) {
  network_.runtimes_.push_back(this);
}

SimRuntime::~SimRuntime() {
  std::erase(network_.runtimes_, this);
}

Result<std::unique_ptr<net::Stream>> SimRuntime::connect(const net::Address& peer) {
  const auto socket = network_.open(network_.next_client(), peer);
  const auto fault = network_.count_operation(*socket, "connect");
  const bool limited = network_.connections_open_ >= network_.connections_max_;
  if (network_.out_of_descriptors_ || limited || fault == SimFault::kLocal) {
    return fail(ErrorCode::kLimit);
  }
  if (fault == SimFault::kReset) socket->profile.refuse = true;
  auto stream = std::make_unique<SimStream>(network_, socket, net::Events{0});
  stream->count_in(network_.connections_open_);
  network_.handshake(socket);
  return stream;
}

Result<std::unique_ptr<net::Listener>> SimRuntime::listen(const net::ListenOptions& options,
                                                          net::AcceptHandler on_accept) {
  net::Address at = options.address;
  if (at.port == 0) at.port = network_.next_port_++;
  if (!options.share && network_.bound(at)) return fail(ErrorCode::kAddressInUse);
  return std::make_unique<SimListener>(network_, *this, at, std::move(on_accept));
}

void SimRuntime::post(std::function<void()> function) {
  posted_.push_back(std::move(function));
}

bool SimRuntime::run() {
  if (posted_.empty() && !pending() && wheel().next_expiry() > network_.now()) return false;
  set_now(network_.now());
  auto functions = std::exchange(posted_, {});
  for (auto& function : functions) function();
  run_batch();
  return true;
}

}  // namespace canaryd::test
