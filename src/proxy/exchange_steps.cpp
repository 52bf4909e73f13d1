// The steps of an exchange, in their order: plain functions that end where something has to be
// waited for, and the one coroutine that waits for what is rare.
#include "canaryd/http/forwarding.hpp"
#include "proxy/exchange.hpp"

namespace canaryd::proxy {

Step Exchange::start() {
  clear_request();
  error_ = ProxyError::kNone;
  // Nearly every head is here whole.
  return take_head(error_) ? begin_request() : Step::kHead;
}

// The head is whole, or has not begun, or error_ says what is wrong.
Step Exchange::begin_request() {
  started_at_ = now();
  if (request_.size == 0) [[unlikely]] {
    // A client that leaves between two requests is no error.
    const bool leaves = error_ == ProxyError::kNone || error_ == ProxyError::kClientGone;
    return leaves && nothing_received() ? Step::kNone : Step::kAnswer;
  }
  if (error_ != ProxyError::kNone || http::ends_here(request_)) return Step::kAnswer;
  error_ = decide();
  if (vote_) [[unlikely]]
    return Step::kVote;
  if (error_ != ProxyError::kNone || respond_ != nullptr) return Step::kAnswer;
  first_try();
  return lease_.connected() ? begin_relay() : Step::kConnect;
}

Step Exchange::begin_relay() {
  error_ = start_relay();
  return go_on();
}

Step Exchange::woken(net::Wake wake) {
  error_ = outcome_of(wake);
  return go_on();
}

// Until the relay has to wait, however many tries it takes.
Step Exchange::go_on() {
  for (;;) {
    if (error_ == ProxyError::kNone && !relay(error_)) return Step::kRelay;
    if (!tries_again(error_)) break;
    if (!lease_.connected()) return Step::kConnect;
    error_ = start_relay();
  }
  if (error_ != ProxyError::kNone && !client_told_) return Step::kAnswer;
  return error_ == ProxyError::kNone && status_ == 101 ? Step::kTunnel : Step::kFinish;
}

net::Task<Next> Exchange::run(Step step) {
  for (;;) {
    if (step == Step::kHead) {
      const ProxyError outcome = co_await await_head();
      error_ = outcome;
      step = begin_request();
    } else if (step == Step::kVote) {
      const ProxyError outcome = co_await take_vote();
      error_ = outcome;
      step = Step::kAnswer;
    } else if (step == Step::kConnect) {
      const ProxyError outcome = co_await connect();
      error_ = outcome;
      step = error_ == ProxyError::kNone ? begin_relay() : go_on();
    } else if (step == Step::kRelay) {
      const net::Wake wake = co_await relay_wait();
      step = woken(wake);
    } else {
      break;
    }
  }
  if (step == Step::kNone) co_return error_ == ProxyError::kNone ? Next::kNothing : Next::kClose;
  if (step == Step::kAnswer) {
    const Next next = co_await answer(error_);
    co_return next;
  }
  if (step == Step::kTunnel) {
    const Next next = co_await tunnel();
    co_return next;
  }
  co_return finish();
}

}  // namespace canaryd::proxy
