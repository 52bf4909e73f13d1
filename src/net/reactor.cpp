#include "net/reactor.hpp"

#include <cerrno>

namespace canaryd::net {
namespace {

Events translate(std::uint32_t bits) noexcept {
  Events events = 0;
  if ((bits & EPOLLIN) != 0) events |= kReadable;
  if ((bits & EPOLLOUT) != 0) events |= kWritable;
  if ((bits & EPOLLRDHUP) != 0) events |= kReadable | kHangup;
  if ((bits & EPOLLHUP) != 0) events |= kReadable | kWritable | kHangup;
  if ((bits & EPOLLERR) != 0) events |= kBroken;
  return events;
}

}  // namespace

Result<Reactor> Reactor::create() {
  Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("epoll_create1", errno);
  return Reactor(std::move(epoll));
}

Result<void> Reactor::add(int fd, Readiness& source, Kind kind) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (kind == Kind::kStream) event.events |= EPOLLOUT | EPOLLRDHUP;
  event.data.ptr = &source;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail_errno("epoll_ctl", errno);
  }
  return {};
}

void Reactor::remove(int fd) noexcept {
  // Before the close, and not left to it: a descriptor that was duplicated would stay in the set.
  epoll_event unused{};
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

std::size_t Reactor::wait(int timeout_ms) noexcept {
  const int count =
      ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout_ms);
  if (count <= 0) return 0;  // A timeout, or EINTR: the loop comes round again.
  const auto size = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < size; ++i) {
    static_cast<Readiness*>(events_[i].data.ptr)->raise(translate(events_[i].events));
  }
  return size;
}

}  // namespace canaryd::net
