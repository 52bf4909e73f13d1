#include "daemon/resolver.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace canaryd::daemon {
namespace {

std::optional<IpAddress> ip_of(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    std::array<std::uint8_t, 4> bytes{};
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return IpAddress::v4(bytes);
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return IpAddress::v6(bytes);
  }
  return std::nullopt;
}

Result<std::vector<SocketAddress>> look_up(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  // No IPv6 addresses on a host without IPv6: nobody could connect to them.
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code == EAI_SYSTEM) return fail(ErrorCode::kIo, std::strerror(errno));
  if (code != 0) return fail(ErrorCode::kNotFound, ::gai_strerror(code));
  std::vector<SocketAddress> found;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    if (const auto ip = ip_of(*each->ai_addr)) found.push_back(SocketAddress(*ip, port));
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace

struct Resolver::Question {
  explicit Question(boost::asio::io_context& io) : patience(io) {}
  boost::asio::steady_timer patience;
  Done done;
};

// A thread knows its question by number only: nothing that belongs to the io_context may end there.
struct Resolver::Shared {
  std::mutex mutex;
  boost::asio::io_context* io = nullptr;  // With the resolver; null when they are gone.
  Resolver* resolver = nullptr;           // Of the io_context's thread.
  int under_way = 0;
};

Resolver::Resolver(boost::asio::io_context& io) : io_(io), shared_(std::make_shared<Shared>()) {
  shared_->io = &io;
  shared_->resolver = this;
}

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->io = nullptr;
  shared_->resolver = nullptr;
}

void Resolver::resolve(const std::string& host, std::uint16_t port, Done done) {
  const std::uint64_t number = next_++;
  auto& question = *questions_.emplace(number, std::make_unique<Question>(io_)).first->second;
  question.done = std::move(done);
  question.patience.expires_after(kPatience);
  question.patience.async_wait([this, number](const boost::system::error_code& error) {
    if (!error) answer(number, fail(ErrorCode::kTimeout, "no answer in time"));
  });
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->under_way >= kAtOnce) {
      answer_later(number, fail(ErrorCode::kLimit, "too many look-ups are under way"));
      return;
    }
    ++shared_->under_way;
  }
  auto work = [shared = shared_, host, port, number] {
    auto found = look_up(host, port);
    const std::lock_guard lock(shared->mutex);
    --shared->under_way;
    if (shared->io == nullptr) return;
    boost::asio::post(*shared->io, [shared, number, found = std::move(found)] {
      if (shared->resolver != nullptr) shared->resolver->answer(number, found);
    });
  };
  // Signals are the main thread's: the new thread inherits a full mask.
  sigset_t all{};
  sigset_t before{};
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    // DEVIATION: nothing can break a look-up off, and nobody may wait for one at the end.
    std::thread(std::move(work)).detach();
  } catch (const std::system_error&) {
    const std::lock_guard lock(shared_->mutex);
    --shared_->under_way;
    answer_later(number, fail(ErrorCode::kLimit, "no thread to be had"));
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Resolver::answer_later(std::uint64_t number, Result<std::vector<SocketAddress>> found) {
  boost::asio::post(io_, [shared = shared_, number, found = std::move(found)] {
    if (shared->resolver != nullptr) shared->resolver->answer(number, found);
  });
}

// The first of answer and patience.
void Resolver::answer(std::uint64_t number, Result<std::vector<SocketAddress>> found) {
  auto question = questions_.extract(number);
  if (!question.empty()) question.mapped()->done(std::move(found));
}

}  // namespace canaryd::daemon
