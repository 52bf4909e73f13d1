#include "daemon/descriptors.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace canaryd::daemon {
namespace {

// Admin connections (at most 64), health checks (at most 32), what is asked of others (at most 32),
// programs of hooks (two each, at most 8), the journal and its temporary files, logs.
constexpr std::size_t kReserve = 176;
// An epoll set, an event, and a socket a listener.
constexpr std::size_t kPerWorker = 2;

}  // namespace

std::size_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  }
  return limit.rlim_cur;
}

std::size_t sockets_of(std::size_t descriptors,
                       std::size_t workers,
                       std::size_t listeners) noexcept {
  const std::size_t reserve = kReserve + workers * (kPerWorker + listeners);
  // Where there are hardly any, half each is the best of bad choices.
  return std::max(descriptors - std::min(descriptors, reserve), descriptors / 2);
}

}  // namespace canaryd::daemon
