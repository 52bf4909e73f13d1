// How many sockets all workers together may hold, so that descriptors are left for everything else
// of the process: the admin API, the journal, the log.
//
// Clients may take half of them, because each may need a connection to an upstream. What does not
// fit is treated as the kernel's "too many open files": accepting backs off, a connect is kLimit.
//
// Thread rule: any thread; relaxed atomics, touched once a connection, never once a request.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace canaryd::net {

class SocketBudget {
 public:
  static constexpr std::size_t kUnlimited = SIZE_MAX;

  explicit SocketBudget(std::size_t sockets_max = kUnlimited) noexcept
      : sockets_max_(sockets_max), clients_max_(sockets_max / 2) {}
  SocketBudget(const SocketBudget&) = delete;
  SocketBudget& operator=(const SocketBudget&) = delete;

  [[nodiscard]] std::size_t sockets_max() const noexcept { return sockets_max_; }
  [[nodiscard]] std::size_t clients_max() const noexcept { return clients_max_; }
  [[nodiscard]] std::size_t sockets() const noexcept {
    return sockets_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t clients() const noexcept {
    return clients_.load(std::memory_order_relaxed);
  }

  // Less than a quarter is left: who can do without a socket takes none.
  [[nodiscard]] bool scarce() const noexcept {
    return sockets() >= sockets_max_ - sockets_max_ / 4;
  }

  // True: one is taken, and has to be given back.
  [[nodiscard]] bool take_client() noexcept {
    if (!take(clients_, clients_max_)) return false;
    if (take(sockets_, sockets_max_)) return true;
    clients_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  [[nodiscard]] bool take_upstream() noexcept { return take(sockets_, sockets_max_); }
  void give_back_client() noexcept {
    clients_.fetch_sub(1, std::memory_order_relaxed);
    sockets_.fetch_sub(1, std::memory_order_relaxed);
  }
  void give_back_upstream() noexcept { sockets_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  static bool take(std::atomic<std::size_t>& taken, std::size_t max) noexcept {
    if (taken.fetch_add(1, std::memory_order_relaxed) < max) return true;
    taken.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }

  std::size_t sockets_max_;
  std::size_t clients_max_;
  std::atomic<std::size_t> sockets_{0};
  std::atomic<std::size_t> clients_{0};
};

}  // namespace canaryd::net
