// An exchange that switched to WebSocket: the handshake is the request that is recorded, and what
// follows is counted once more only if the upstream breaks it off.
#include "proxy/exchange.hpp"
#include "proxy/tunnel.hpp"

#include <memory>
#include <utility>

namespace canaryd::proxy {
namespace {

// A tunnel that is broken off sooner has not lived.
constexpr Duration kLives = std::chrono::seconds(5);

}  // namespace

net::Task<Next> Exchange::tunnel() {
  stats::CounterBlock& counters = *counters_;
  ExchangeRecord handshake = entry(ProxyError::kNone);
  const bool canary = handshake.pick->cohort == Cohort::kCanary;
  const routing::Rollout* const rollout = route_->rollout;
  routing::FailuresInARow cleared;
  if (canary) {
    cleared = rollout->gate->failures_in_a_row(rollout->generation);
    protect(handshake);
  }
  end_hang(ProxyError::kNone);
  write_record(handshake, counters, state_.dedupe, state_.options.failures.get());
  counters_ = nullptr;
  const Monotonic opened_at = now();
  // The access log, and a tap that was open then, has one line for all of it, at its end.
  std::unique_ptr<KeptAccessEntry> kept;
  if (state_.wants_access()) {
    AccessEntry line;
    fill(line, ProxyError::kNone);
    kept = std::make_unique<KeptAccessEntry>(line);
  }

  TunnelSetup setup;
  setup.connection = connection_;
  setup.server = &server();
  setup.upstream = &upstream_spec();
  setup.timeouts = timeouts_;
  setup.rollout = route_->rollout;
  setup.cohort = pick_.cohort;
  setup.counters = &counters;
  setup.from_client = upload_.rest();
  setup.client_block = std::move(head_block_);
  setup.from_server = download_.rest();
  setup.server_block = download_.take_block();
  begin_ = end_ = 0;
  request_.clear();
  response_.clear();
  Tunnel tunnel(std::move(setup));
  const TunnelResult result = co_await tunnel.run();

  if (kept != nullptr) {
    telemetry::AccessRecord& line = kept->record();
    if (result.error != ProxyError::kNone) line.error = to_string(result.error);
    line.bytes_in = result.bytes_in;
    line.bytes_out = result.bytes_out;
    line.ended_at = now();
    state_.write_access(line);
  }
  if (result.error != ProxyError::kNone) connection_->listener()->counters->count(result.error);
  const bool blamed =
      result.error == ProxyError::kUpstreamReset || result.error == ProxyError::kTimeout;
  if (blamed) {
    handshake.error = result.error;
    handshake.status = 0;
    handshake.ended_at = now();
    if (canary) {
      const bool lived = now() >= opened_at + kLives;
      // A handshake that leads nowhere was no success. Another one stays the good probe it was.
      if (!lived) rollout->gate->put_back(rollout->generation, cleared);
      probe_ = probe_ && !lived;
      protect(handshake);
    }
    counters.begin();
    write_record(handshake, counters, state_.dedupe, state_.options.failures.get());
  }
  if (result.reset_server) server().reset();
  leave_upstream();
  if (result.reset_client) co_return Next::kReset;
  co_return result.client_closed ? Next::kClose : Next::kLinger;
}

}  // namespace canaryd::proxy
