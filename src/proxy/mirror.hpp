// Mirrors: copies of requests, sent to another upstream beside the requests themselves.
//
// A copy is sent by the worker that served the request, in a task of its own that begins when the
// request has been forwarded whole, or, if stable is both its mirror and its fallback, when stable
// is not asked for the request itself any more. Nobody waits for it: its answer is read to keep the
// connection in use, and thrown away, unless somebody keeps it (parity_read.hpp). No retry, no
// fallback, no circuit, no ejection and no evidence comes of it; it is counted under the cohort
// `shadow`, or, if its answer is kept, by what is done with that.
//
// It never stands in a client's way. Copies have memory of their own, and whenever something is
// scarce the copy is what is left out: when too many are under way, when sockets run short, and
// when its upstream has a limit of which half is in use. It may take an idle connection of its
// upstream's pool, as any request, and who finds none there opens one.
//
// Draining does not wait for copies; cancel() ends those under way.
//
// Thread rule: one worker. Limits: kUnderWayMax copies, kBytesMax of them and of the answers being
// read, kAnswerBytesMax of one answer, the policy's time for each.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/net/buffer_pool.hpp"
#include "canaryd/net/runtime.hpp"
#include "canaryd/net/task_group.hpp"
#include "proxy/parity_read.hpp"
#include "proxy/request_copy.hpp"
#include "proxy/worker_table.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace canaryd::proxy {

// A copy on its way, and what it belongs to.
struct MirrorOrder {
  TablePointer table;
  UpstreamId to;
  Duration timeout{};                       // From when it begins.
  Duration delay{};                         // Before it begins.
  stats::CounterBlock* counters = nullptr;  // Of the table; null: it is not counted.
  http::Method method = http::Method::kGet;
  std::uint64_t balance_key = 0;  // For an upstream that needs one.
  std::unique_ptr<RequestCopy> copy;
  AnswerKeeper keeper{};
};

class Mirrors {
 public:
  static constexpr std::size_t kUnderWayMax = 128;
  static constexpr std::size_t kBytesMax = 16 * 1024 * 1024;
  // The rest of a longer answer is not read: its connection is closed.
  static constexpr std::size_t kAnswerBytesMax = 1024 * 1024;

  explicit Mirrors(net::Runtime& runtime);

  // No further copy, now.
  [[nodiscard]] bool busy() const noexcept {
    return group_.size() >= kUnderWayMax || runtime_.short_of_sockets();
  }
  [[nodiscard]] std::unique_ptr<RequestCopy> make_copy(std::uint64_t body_bytes_max) {
    return std::make_unique<RequestCopy>(bytes_, body_bytes_max);
  }
  // Not while busy(). Nothing is sent before the caller has suspended.
  void send(MirrorOrder order);
  void cancel() noexcept { group_.cancel(); }

 private:
  net::Runtime& runtime_;
  net::BufferPool bytes_;
  net::TaskGroup group_;  // Last: its tasks use the pool.
};

}  // namespace canaryd::proxy
