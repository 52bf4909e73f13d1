// One copy and its answer: connect, send, read, count. See mirror.hpp.
//
// Thread rule: one worker. Bounds: one block for the answer, whose head must fit into it.
#pragma once

#include "canaryd/http/body.hpp"
#include "canaryd/http/h1_parser.hpp"
#include "canaryd/net/buffer_pool.hpp"
#include "canaryd/net/task.hpp"
#include "canaryd/net/waiter.hpp"
#include "proxy/mirror.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace canaryd::proxy {

class MirrorExchange {
 public:
  MirrorExchange(net::Runtime& runtime,
                 net::TaskGroup& group,
                 net::BufferPool& bytes,
                 MirrorOrder order);
  MirrorExchange(const MirrorExchange&) = delete;
  MirrorExchange& operator=(const MirrorExchange&) = delete;
  // One that has begun is counted, however it ends.
  ~MirrorExchange();

  [[nodiscard]] static net::Task<void> run(std::unique_ptr<MirrorExchange> self);

 private:
  using Result = std::optional<stats::Mirrored>;  // Nothing: not over yet.

  [[nodiscard]] bool begin();
  [[nodiscard]] Result start();
  [[nodiscard]] net::Waiter::Awaiter wait() noexcept;
  [[nodiscard]] Result woken(net::Wake wake);
  void finish(stats::Mirrored result);
  void leave_out();
  void count(stats::Mirrored result);

  // Each moves as far as it goes.
  [[nodiscard]] Result advance();
  void send();
  [[nodiscard]] Result receive();
  [[nodiscard]] Result digest();
  [[nodiscard]] Result digest_head();
  [[nodiscard]] Result digest_body();
  [[nodiscard]] Result source_ended();

  [[nodiscard]] upstream::Upstream& upstream() const noexcept {
    return *order_.table->upstreams[order_.to.index()];
  }
  [[nodiscard]] net::Stream& server() noexcept { return lease_.stream(); }
  [[nodiscard]] Monotonic now() const noexcept { return waiter_.runtime().now(); }

  MirrorOrder order_;
  net::BufferPool& bytes_;
  net::Waiter waiter_;
  upstream::ConcurrencySlot slot_;
  upstream::Lease lease_;
  Monotonic began_at_{};
  Monotonic deadline_{};
  Monotonic connect_by_{};
  bool under_way_ = false;
  bool ended_ = false;
  bool connecting_ = false;
  bool yields_ = false;

  std::string_view unsent_;
  std::size_t body_size_ = 0;

  // The answer. What is not digested yet lies in [0, end_) of block_ while the head is read; a body
  // is digested as it comes.
  http::ResponseParser parser_;
  http::ResponseHead head_;
  http::BodyTracker body_;
  net::Buffer block_;
  std::size_t end_ = 0;
  std::uint8_t interims_ = 0;
  std::uint16_t status_ = 0;  // Set once the head is here.
  bool reusable_ = false;
};

}  // namespace canaryd::proxy
