#include "net/tcp_listener.hpp"

#include "net/sockets.hpp"
#include "net/tcp_stream.hpp"

#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <utility>

namespace canaryd::net {
namespace {

// Bound and listening. The first socket is bound without SO_REUSEPORT, which the kernel refuses if
// any other socket has the address, and gets the option afterwards, which lets our next ones in. In
// one socket, so that there is no moment at which two daemons that start together can both succeed.
Result<Descriptor> open_listening(const ListenOptions& options) {
  CANARYD_TRY_ASSIGN(Descriptor socket, open_socket(options.address.ip));
  const int fd = socket.get();
  CANARYD_TRY(set_option(fd, SOL_SOCKET, SO_REUSEADDR));  // Past TIME_WAIT of an earlier run.
  if (options.address.ip.is_v6()) {
    CANARYD_TRY(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY));  // v4 has listeners of its own.
  }
  if (options.share) CANARYD_TRY(set_option(fd, SOL_SOCKET, SO_REUSEPORT));
  const NativeAddress at = to_native(options.address);
  if (::bind(fd, at.get(), at.size) != 0) {
    // For a bind this one means that the address is not ours, not that ports have run out.
    if (errno == EADDRNOTAVAIL) {
      return fail(ErrorCode::kInvalidArgument, "bind: no interface of this host has the address");
    }
    return fail_errno("bind", errno);
  }
  if (!options.share) CANARYD_TRY(set_option(fd, SOL_SOCKET, SO_REUSEPORT));
  // For the accepted sockets, which inherit it; that saves calls for each.
  CANARYD_TRY(set_stream_options(fd));
  if (::listen(fd, options.backlog) != 0) return fail_errno("listen", errno);
  return socket;
}

// Who made it made it listen; what we rely on is set here.
Result<Descriptor> adopt_listening(int inherited) {
  Descriptor socket(::fcntl(inherited, F_DUPFD_CLOEXEC, 0));
  if (!socket) return fail_errno("fcntl", errno);
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return fail_errno("fcntl", errno);
  }
  CANARYD_TRY(set_stream_options(socket.get()));
  return socket;
}

Result<int> option_of(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, option, &value, &size) != 0) {
    return fail_errno("getsockopt", errno);
  }
  return value;
}

}  // namespace

Result<Address> address_of_listening(int fd) {
  CANARYD_TRY_ASSIGN(const int family, option_of(fd, SO_DOMAIN));
  CANARYD_TRY_ASSIGN(const int type, option_of(fd, SO_TYPE));
  CANARYD_TRY_ASSIGN(const int listens, option_of(fd, SO_ACCEPTCONN));
  if ((family != AF_INET && family != AF_INET6) || type != SOCK_STREAM || listens == 0) {
    return fail(ErrorCode::kInvalidArgument, "it is no TCP socket that listens");
  }
  return local_address_of(fd);
}

Result<std::unique_ptr<Listener>> TcpListener::open(Runtime& runtime,
                                                    Reactor& reactor,
                                                    const ListenOptions& options,
                                                    AcceptHandler on_accept) {
  auto opened = options.inherited ? adopt_listening(*options.inherited) : open_listening(options);
  CANARYD_TRY_ASSIGN(Descriptor socket, std::move(opened));
  auto listener =
      std::make_unique<TcpListener>(runtime, reactor, std::move(socket), std::move(on_accept));
  CANARYD_TRY(reactor.add(listener->socket_.get(), listener->source_, Reactor::Kind::kAcceptor));
  return listener;
}

TcpListener::TcpListener(Runtime& runtime,
                         Reactor& reactor,
                         Descriptor socket,
                         AcceptHandler on_accept)
    : Acceptor(runtime, std::move(on_accept)),
      reactor_(reactor),
      socket_(std::move(socket)),
      address_(local_address_of(socket_.get())) {
  source_.watch(reaction(), kReadable);
}

TcpListener::~TcpListener() {
  source_.unwatch();
  close_socket();
}

void TcpListener::close_socket() {
  if (!socket_) return;
  reactor_.remove(socket_.get());
  socket_.close();
}

Acceptor::Accepted TcpListener::accept_one() {
  SocketBudget* const budget = reactor_.budget();
  if (budget != nullptr && !budget->take_client()) return {Outcome::kExhausted, nullptr};
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): what the sockets interface asks
  // for.
  Descriptor socket(::accept4(
      socket_.get(), reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket) {
    const Outcome outcome = outcome_of(errno);
    if (budget != nullptr) budget->give_back_client();
    return {outcome, nullptr};
  }
  // The stream gives its share of the budget back.
  auto stream = TcpStream::adopt(reactor_, std::move(socket), from_native(storage));
  if (!stream) return {Outcome::kExhausted, nullptr};
  return {Outcome::kAccepted, std::move(*stream)};
}

Acceptor::Outcome TcpListener::outcome_of(int number) noexcept {
  switch (number) {
    case EAGAIN:
      return Outcome::kWouldBlock;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return Outcome::kExhausted;
    default:
      return Outcome::kFailed;  // Errors of the connection itself: accept(2), "Error handling".
  }
}

}  // namespace canaryd::net
