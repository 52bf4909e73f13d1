#include "support/sim_socket.hpp"

#include <utility>

namespace canaryd::test {

SimPeer::SimPeer(SimNetwork& network, std::shared_ptr<SimSocket> socket)
    : network_(&network), socket_(std::move(socket)) {}

SimPeer& SimPeer::operator=(SimPeer&& other) noexcept {
  if (this != &other) {
    if (socket_) close();
    network_ = other.network_;
    socket_ = std::move(other.socket_);
  }
  return *this;
}

SimPeer::~SimPeer() {
  if (!socket_) return;
  socket_->on_data = nullptr;
  close();
}

void SimPeer::send(std::string_view bytes) {
  socket_->queued += bytes;
  network_->pump(socket_);
}

void SimPeer::shutdown_send() {
  socket_->fin_wanted = true;
  network_->pump(socket_);
}

void SimPeer::reset() {
  socket_->closed = true;
  network_->send_reset(socket_);
}

void SimPeer::close() {
  network_->close(socket_);
}

const std::string& SimPeer::received() const noexcept {
  return socket_->received;
}
std::string SimPeer::take() {
  return std::exchange(socket_->received, {});
}

void SimPeer::stop_reading() {
  socket_->reading = false;
}

void SimPeer::resume_reading() {
  socket_->reading = true;
  socket_->received += std::exchange(socket_->arrived, {});
  network_->freed(socket_);
}

void SimPeer::read_some(std::size_t bytes) {
  std::string& arrived = socket_->arrived;
  socket_->received += arrived.substr(0, bytes);
  arrived.erase(0, bytes);
  network_->freed(socket_);
}

bool SimPeer::connected() const noexcept {
  return socket_->connected;
}
bool SimPeer::refused() const noexcept {
  return socket_->refused;
}
bool SimPeer::saw_fin() const noexcept {
  return socket_->fin_arrived;
}
bool SimPeer::saw_reset() const noexcept {
  return socket_->reset;
}
std::size_t SimPeer::unsent() const noexcept {
  return socket_->queued.size();
}
const net::Address& SimPeer::local_address() const noexcept {
  return socket_->local;
}

SimServer::SimServer(SimNetwork& network, const net::Address& address) : network_(network) {
  CANARYD_ASSERT(!network.bound(address));
  acceptor_ = network.add_acceptor(address, [this](std::shared_ptr<SimSocket> socket) {
    socket->scripted = true;
    socket->connected = true;
    peers_.push_back(std::unique_ptr<SimPeer>(new SimPeer(network_, socket)));
    socket->on_data = [this, peer = peers_.back().get()] {
      if (answer_) answer_(*peer);
    };
  });
}

SimServer::~SimServer() {
  stop();
}

void SimServer::stop() {
  if (acceptor_ != 0) network_.remove_acceptor(std::exchange(acceptor_, 0));
}

SimPeer& SimServer::accept() {
  network_.run_until([this] { return peers_.size() > taken_; });
  CANARYD_ASSERT(peers_.size() > taken_);
  return *peers_[taken_++];
}

}  // namespace canaryd::test
