#include "proxy/mirror_exchange.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace canaryd::proxy {
namespace {

using stats::Mirrored;

// A longer head is no answer that anybody waits for.
constexpr std::size_t kBlockBytes = net::BufferPools::kSmallBytes;
constexpr std::uint8_t kInterimsMax = 8;
// Reads before others get a turn.
constexpr int kReadsPerTurn = 4;

// Half of an upstream's limit is its clients' alone: a copy never takes the last slot, and never
// waits for one.
bool has_room(const upstream::ConcurrencyLimit& limit) noexcept {
  return limit.active() < limit.max() / 2;
}

}  // namespace

MirrorExchange::MirrorExchange(net::Runtime& runtime,
                               net::TaskGroup& group,
                               net::BufferPool& bytes,
                               MirrorOrder order)
    : order_(std::move(order)), bytes_(bytes), waiter_(runtime, group) {}

MirrorExchange::~MirrorExchange() {
  if (!ended_) order_.keeper.give_up();
  if (under_way_) finish(Mirrored::kFailed);
}

net::Task<void> MirrorExchange::run(std::unique_ptr<MirrorExchange> self) {
  MirrorExchange& exchange = *self;
  // The client's own exchange goes on first.
  const net::Wake turn = co_await exchange.waiter_.yield();
  const Monotonic begin_at = exchange.now() + exchange.order_.delay;
  if (turn != net::Wake::kCancelled && begin_at > exchange.now()) {
    [[maybe_unused]] const net::Wake slept = co_await exchange.waiter_.sleep_until(begin_at);
  }
  const bool wanted = !exchange.waiter_.cancelled() && exchange.order_.keeper.wanted();
  if (!wanted || !exchange.begin()) {
    exchange.leave_out();
    co_return;
  }
  Result result = exchange.start();
  while (!result) {
    const net::Wake wake = co_await exchange.wait();
    result = exchange.woken(wake);
  }
  exchange.finish(*result);
}

void MirrorExchange::leave_out() {
  ended_ = true;
  if (order_.counters != nullptr) order_.counters->count(Mirrored::kBusy);
  order_.keeper.too_busy();
}

// False: the limit of its upstream leaves it no room.
bool MirrorExchange::begin() {
  if (upstream::ConcurrencyQueue* const queue = upstream().concurrency()) {
    if (has_room(*queue->limit())) slot_ = queue->try_enter();
    if (!slot_) return false;
  }
  under_way_ = true;
  if (order_.counters != nullptr) order_.counters->begin();
  began_at_ = now();
  deadline_ = began_at_ + order_.timeout;
  connect_by_ = std::min(deadline_, began_at_ + upstream().spec().timeouts.connect);
  unsent_ = order_.copy->text();
  body_size_ = order_.copy->body_size();
  return true;
}

MirrorExchange::Result MirrorExchange::start() {
  lease_ = upstream().acquire(nullptr, false, order_.balance_key);
  if (!lease_) return Mirrored::kFailed;
  if (!lease_.connected()) {
    if (!lease_.connect()) return Mirrored::kFailed;
    connecting_ = true;
  }
  return advance();
}

net::Waiter::Awaiter MirrorExchange::wait() noexcept {
  if (yields_) return waiter_.yield();
  if (connecting_) return waiter_.until(connect_by_, net::writable(server()));
  const net::Interest sending = unsent_.empty() ? net::Interest{} : net::writable(server());
  return waiter_.until(deadline_, net::readable(server()), sending);
}

MirrorExchange::Result MirrorExchange::woken(net::Wake wake) {
  if (wake == net::Wake::kCancelled) return Mirrored::kFailed;
  if ((connecting_ ? connect_by_ : deadline_) <= now()) {
    if (connecting_) lease_.connected(false);
    return Mirrored::kTimeout;
  }
  return advance();
}

void MirrorExchange::finish(Mirrored result) {
  under_way_ = false;
  ended_ = true;
  if (order_.counters != nullptr) count(result);
  order_.keeper.end(result == Mirrored::kAnswered);
  if (waiter_.cancelled()) order_.keeper.give_up();
  const bool clean = result == Mirrored::kAnswered && reusable_ && unsent_.empty() &&
                     body_.complete() && !server().hangup();
  if (clean) {
    lease_.give_back();
  } else {
    lease_.close();
  }
  slot_.release();
}

void MirrorExchange::count(Mirrored result) {
  stats::Outcome outcome;
  if (result == Mirrored::kAnswered) outcome.code_class = static_cast<std::uint8_t>(status_ / 100);
  outcome.judgement = stats::Judgement::kExcluded;
  outcome.latency = now() - began_at_;
  outcome.bytes_in = body_size_;
  outcome.bytes_out = body_.data_bytes();
  order_.counters->finish(outcome);
  order_.counters->count(result);
}

// ---- There

MirrorExchange::Result MirrorExchange::advance() {
  if (connecting_) {
    if (!server().writable_flag()) return std::nullopt;
    const bool ok = !server().connect_error().has_value();
    lease_.connected(ok);
    connecting_ = false;
    if (!ok) return Mirrored::kFailed;
  }
  send();
  return receive();
}

void MirrorExchange::send() {
  while (!unsent_.empty() && server().writable_flag()) {
    const net::IoResult sent = server().send(unsent_);
    // It may have answered all the same: reading shows.
    if (!sent.ok()) return;
    unsent_.remove_prefix(sent.bytes);
  }
  if (unsent_.empty()) order_.copy.reset();
}

// ---- And back

MirrorExchange::Result MirrorExchange::receive() {
  yields_ = false;
  for (int reads = 0; server().readable_flag(); ++reads) {
    if (reads == kReadsPerTurn) {
      yields_ = true;
      return std::nullopt;
    }
    if (!block_) {
      auto block = bytes_.acquire(kBlockBytes);
      if (!block) return Mirrored::kFailed;
      block_ = std::move(*block);
    }
    if (end_ == block_.size()) return Mirrored::kFailed;
    const net::IoResult got = server().recv(block_.span().subspan(end_));
    if (got.would_block()) break;
    if (got.failed()) return Mirrored::kFailed;
    if (got.eof()) return source_ended();
    end_ += got.bytes;
    if (const Result over = digest()) return over;
  }
  return std::nullopt;
}

MirrorExchange::Result MirrorExchange::source_ended() {
  if (status_ == 0) return Mirrored::kFailed;
  const http::BodyStep last = body_.finish();
  if (last.state == http::BodyState::kError) return Mirrored::kFailed;
  order_.keeper.data(last.forward);
  return Mirrored::kAnswered;
}

MirrorExchange::Result MirrorExchange::digest() {
  while (status_ == 0) {
    const std::size_t before = end_;
    if (const Result over = digest_head()) return over;
    if (status_ == 0 && end_ == before) return std::nullopt;
  }
  return digest_body();
}

// A head that is whole leaves the block; what came behind it moves to the front.
MirrorExchange::Result MirrorExchange::digest_head() {
  const std::string_view input(block_.data(), end_);
  const http::ParseState state = parser_.parse(input, order_.method, head_);
  if (state == http::ParseState::kError) return Mirrored::kFailed;
  if (state == http::ParseState::kNeedMore) return std::nullopt;
  if (head_.interim()) {
    // Nobody asked to switch protocols.
    if (head_.status == 101 || ++interims_ > kInterimsMax) return Mirrored::kFailed;
  } else {
    status_ = head_.status;
    reusable_ = head_.keep_alive && head_.framing.kind != http::BodyKind::kUntilClose;
    body_.start(head_.framing, http::BodyOutput::kData);
    order_.keeper.head(head_);
  }
  end_ -= head_.size;
  std::memmove(block_.data(), block_.data() + head_.size, end_);
  parser_.reset();
  return std::nullopt;
}

MirrorExchange::Result MirrorExchange::digest_body() {
  std::string_view input(block_.data(), end_);
  while (!input.empty() && !body_.complete()) {
    const http::BodyStep step = body_.next(input);
    if (step.state == http::BodyState::kError) return Mirrored::kFailed;
    order_.keeper.data(step.forward);
    input.remove_prefix(step.consumed);
  }
  end_ = 0;
  // Bytes that nobody asked for.
  if (!input.empty()) reusable_ = false;
  if (body_.complete() || body_.data_bytes() > Mirrors::kAnswerBytesMax) return Mirrored::kAnswered;
  return std::nullopt;
}

}  // namespace canaryd::proxy
