#include "net/tcp_stream.hpp"

#include "net/sockets.hpp"
#include "net/system_call.hpp"

#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace canaryd::net {
namespace {

// Called directly: the functions of the C library of these names are cancellation points, which
// costs a program with threads as much as all the rest of them. Nobody cancels a worker. A
// sanitizer sees what they read and write only through the library.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
ssize_t receive(int fd, std::span<char> into) noexcept {
  return ::recv(fd, into.data(), into.size(), 0);
}
ssize_t send_one(int fd, std::string_view bytes) noexcept {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}
ssize_t send_message(int fd, const msghdr& message) noexcept {
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}
#else
ssize_t receive(int fd, std::span<char> into) noexcept {
  return system_call(SYS_recvfrom, fd, into.data(), into.size(), 0);
}
ssize_t send_one(int fd, std::string_view bytes) noexcept {
  return system_call(SYS_sendto, fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}
ssize_t send_message(int fd, const msghdr& message) noexcept {
  return system_call(SYS_sendmsg, fd, &message, MSG_NOSIGNAL, 0);
}
#endif
ssize_t send_two(int fd, std::string_view first, std::string_view second) noexcept {
  if (second.empty()) return send_one(fd, first);
  if (first.empty()) return send_one(fd, second);
  // iovec has no pointer to const; sendmsg does not write.
  std::array<iovec, 2> pieces{{{const_cast<char*>(first.data()), first.size()},
                               {const_cast<char*>(second.data()), second.size()}}};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return send_message(fd, message);
}

}  // namespace

TcpStream::TcpStream(
    Reactor& reactor, Descriptor socket, const Address& peer, Events initial, Side side) noexcept
    : Stream(initial), reactor_(&reactor), socket_(std::move(socket)), peer_(peer), side_(side) {}

Result<std::unique_ptr<Stream>> TcpStream::adopt(Reactor& reactor,
                                                 Descriptor socket,
                                                 const Address& peer) {
  auto stream =
      std::make_unique<TcpStream>(reactor, std::move(socket), peer, kWritable, Side::kClient);
  CANARYD_TRY(reactor.add(stream->socket_.get(), *stream, Reactor::Kind::kStream));
  return stream;
}

Result<std::unique_ptr<Stream>> TcpStream::connect(Reactor& reactor, const Address& peer) {
  SocketBudget* const budget = reactor.budget();
  if (budget != nullptr && !budget->take_upstream()) {
    return fail(ErrorCode::kLimit, "connect: no descriptor is left for it");
  }
  auto stream = open_connecting(reactor, peer);
  if (!stream && budget != nullptr) budget->give_back_upstream();
  if (!stream) return fail(std::move(stream).error());
  // From here on the stream gives its socket back.
  CANARYD_TRY(reactor.add((*stream)->socket_.get(), **stream, Reactor::Kind::kStream));
  return std::move(*stream);
}

Result<std::unique_ptr<TcpStream>> TcpStream::open_connecting(Reactor& reactor,
                                                              const Address& peer) {
  CANARYD_TRY_ASSIGN(Descriptor socket, open_socket(peer.ip));
  CANARYD_TRY(set_stream_options(socket.get()));
  const NativeAddress to = to_native(peer);
  Events initial = kWritable;
  if (::connect(socket.get(), to.get(), to.size) != 0) {
    if (errno != EINPROGRESS) return fail_errno("connect", errno);
    initial = 0;
  }
  // Registered after the connect: a socket that is not connecting yet would report a hang-up.
  return std::make_unique<TcpStream>(reactor, std::move(socket), peer, initial, Side::kUpstream);
}

TcpStream::~TcpStream() {
  close();
}

IoResult TcpStream::recv(std::span<char> into) {
  CANARYD_ASSERT(!into.empty());
  if (!readable_flag()) return {.status = IoStatus::kWouldBlock};
  if (!socket_) return failed();
  const ssize_t count = receive(socket_.get(), into);
  if (count > 0) {
    const auto bytes = static_cast<std::size_t>(count);
    // After a hang-up no edge will come for what is left, not even for the end.
    if (bytes < into.size() && !hangup()) Reactor::arm_read(*this);
    return {.bytes = bytes};
  }
  if (count == 0) {
    // A broken connection reports its error once and an end of stream ever after.
    if (failure_) return failed();
    return {.status = IoStatus::kEof};
  }
  if (errno == EAGAIN || errno == EINTR) {
    if (errno == EAGAIN) Reactor::arm_read(*this);
    return {.status = IoStatus::kWouldBlock};
  }
  break_with(code_of_errno(errno));
  return failed();
}

IoResult TcpStream::send(std::string_view first, std::string_view second) {
  if (failure_) return failed();
  if (!writable_flag()) return {.status = IoStatus::kWouldBlock};
  const std::size_t wanted = first.size() + second.size();
  if (wanted == 0) return {};
  const ssize_t count = send_two(socket_.get(), first, second);
  if (count >= 0) {
    const auto bytes = static_cast<std::size_t>(count);
    if (bytes < wanted && !error()) Reactor::arm_write(*this);
    return {.bytes = bytes};
  }
  if (errno == EAGAIN || errno == EINTR) {
    if (errno == EAGAIN) Reactor::arm_write(*this);
    return {.status = IoStatus::kWouldBlock};
  }
  // What the peer sent before it broke off can still be read: often the answer that explains it.
  break_with(code_of_errno(errno));
  return failed();
}

bool TcpStream::is_quiet() const {
  char next = 0;
  const ssize_t got = ::recv(socket_.get(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && errno == EAGAIN;
}

std::optional<std::size_t> TcpStream::unacknowledged() const noexcept {
  int bytes = 0;
  if (!socket_ || ::ioctl(socket_.get(), SIOCOUTQ, &bytes) != 0 || bytes < 0) return std::nullopt;
  return static_cast<std::size_t>(bytes);
}

void TcpStream::shutdown_send() {
  if (socket_) ::shutdown(socket_.get(), SHUT_WR);
}

void TcpStream::reset() {
  if (socket_) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close();
  break_with(ErrorCode::kReset);
}

std::optional<ErrorCode> TcpStream::connect_error() {
  if (failure_ || !error()) return failure_;
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &number, &size);
  // Zero: a call has taken the error away already, or the reset came after the connection stood.
  failure_ = number == 0 ? ErrorCode::kReset : code_of_errno(number);
  return failure_;
}

Address TcpStream::local_address() const {
  return local_address_of(socket_.get());
}

void TcpStream::close() noexcept {
  if (!socket_) return;
  reactor_->remove(socket_.get());
  socket_.close();
  SocketBudget* const budget = reactor_->budget();
  if (budget == nullptr) return;
  if (side_ == Side::kClient) {
    budget->give_back_client();
  } else {
    budget->give_back_upstream();
  }
}

IoResult TcpStream::failed() const noexcept {
  return {.status = IoStatus::kError, .code = failure_.value_or(ErrorCode::kReset)};
}

void TcpStream::break_with(ErrorCode code) noexcept {
  if (!failure_) failure_ = code;
  raise(kBroken);
}

}  // namespace canaryd::net
