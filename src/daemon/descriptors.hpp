// The descriptors of this process: raised as far as the system allows, and shared out between the
// workers' sockets and everything else.
//
// Thread rule: at start, before there is a second thread.
#pragma once

#include <cstddef>

namespace canaryd::daemon {

// RLIMIT_NOFILE after the soft limit has been raised to the hard one.
[[nodiscard]] std::size_t raise_descriptor_limit() noexcept;

// What of it the workers' client and upstream sockets may take; the rest is for the admin API, the
// journal, the logs, the listeners and the workers themselves.
[[nodiscard]] std::size_t sockets_of(std::size_t descriptors,
                                     std::size_t workers,
                                     std::size_t listeners) noexcept;

}  // namespace canaryd::daemon
