// Answers of two versions to the same read, on their way from a worker to who compares them.
//
// Stable is asked twice: what differs between its own answers is noise (analysis/parity.hpp).
//
// Thread rule: ParityQueue: one worker pushes, one thread pops (spsc_queue.hpp); ParityCounts: any.
// Bounds: kParityQueueCapacity reads wait for control, each of three answers, whose bodies are as
// long as the policy lets them be.
#pragma once

#include "canaryd/stats/spsc_queue.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::stats {

inline constexpr std::size_t kParityQueueCapacity = 32;

struct ParityAnswer {
  bool answered = false;  // False: no connection, a time-out, no HTTP, broken off.
  bool whole = true;      // False: its body is longer than what is kept of one; there is none then.
  std::uint16_t status = 0;
  std::string content_type;
  std::vector<std::string> headers;  // Values of the policy's headers, in its order; "": none.
  std::string body;
};

struct ParityRead {
  std::uint64_t watch = 0;  // ParityPolicy::watch.
  std::string path;         // Of the request, its shape (path_sketch.hpp).
  ParityAnswer stable;
  ParityAnswer again;  // Stable's as well, a second later.
  ParityAnswer canary;
};

// Of one rollout: what comes of reads that are not compared.
struct ParityCounts {
  std::atomic<std::uint64_t> busy{0};
  std::atomic<std::uint64_t> unanswered{0};

  void count_busy() noexcept { busy.fetch_add(1, std::memory_order_relaxed); }
  void count_unanswered() noexcept { unanswered.fetch_add(1, std::memory_order_relaxed); }
};

class ParityQueue {
 public:
  ParityQueue() : reads_(kParityQueueCapacity) {}
  ParityQueue(const ParityQueue&) = delete;
  ParityQueue& operator=(const ParityQueue&) = delete;
  ~ParityQueue() {
    while (pop() != nullptr) {
    }
  }

  // False: it is full, and the read is gone.
  bool push(std::unique_ptr<ParityRead> read) noexcept {
    if (!reads_.push(read.get())) return false;
    static_cast<void>(read.release());
    return true;
  }
  // Null: there is none.
  [[nodiscard]] std::unique_ptr<ParityRead> pop() noexcept {
    return std::unique_ptr<ParityRead>(reads_.pop().value_or(nullptr));
  }

 private:
  SpscQueue<ParityRead*> reads_;
};

}  // namespace canaryd::stats
