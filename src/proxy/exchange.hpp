// One request and its response, from the first byte of the head to the record.
//
// The data path: read the head, decide (route, cohort, upstream), connect, relay both directions,
// record. It goes by steps, plain functions that end where something has to be waited for. Nearly
// every request waits for nothing but its relay, and for that it needs no coroutine of its own: the
// connection's waits. Whatever else there is to wait for, run() does. A failure before the first
// byte of a response is tried again where that is safe (retry.hpp), and answered here otherwise;
// after that byte the client sees the response cut.
//
// Exchanges are kept and reused by their worker, so that none of their memory is asked for anew.
// Thread rule: one worker. Bounds: one head block, one block each way.
#pragma once

#include "canaryd/http/forwarding.hpp"
#include "canaryd/http/h1_parser.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/http/trace_context.hpp"
#include "canaryd/http/uri.hpp"
#include "canaryd/net/task.hpp"
#include "canaryd/routing/cohort_pick.hpp"
#include "proxy/access_entry.hpp"
#include "proxy/backlog.hpp"
#include "proxy/body_flow.hpp"
#include "proxy/connection.hpp"
#include "proxy/fallback.hpp"
#include "proxy/local_reply.hpp"
#include "proxy/record.hpp"
#include "proxy/request_copy.hpp"
#include "proxy/retry.hpp"
#include "proxy/service_state.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::proxy {

// What becomes of the client connection.
enum class Next : std::uint8_t {
  kIdle,       // Wait for another request.
  kNothing,    // No request came after all: go on waiting as before.
  kPipelined,  // Another request is here, at least in part: start() again.
  kClose,
  kLinger,  // Close, but let the client read our answer first: it may still be sending.
  kReset,   // The response was cut in a way that only a reset shows.
};

// What a request waits for, or how it ends.
enum class Step : std::uint8_t {
  kHead,     // The rest of its head.
  kVote,     // The body of a user's feedback.
  kConnect,  // A slot, a connection.
  kRelay,    // relay_wait(); then woken() takes the next step.
  kAnswer,   // An answer of our own, to be written.
  kTunnel,   // All that a tunnel is.
  kFinish,   // Nothing: finish().
  kNone,     // Nothing: there was no request.
};

class Exchange {
 public:
  explicit Exchange(ServiceState& state);
  ~Exchange();

  // Gets a connection to serve; ends with release().
  void begin(Connection& connection) noexcept;
  void release() noexcept;

  // From the head on.
  [[nodiscard]] Step start();
  [[nodiscard]] net::Waiter::Awaiter relay_wait() noexcept;
  [[nodiscard]] Step woken(net::Wake wake);
  [[nodiscard]] Next finish();
  // All that is left from `step` on, whatever it waits for.
  [[nodiscard]] net::Task<Next> run(Step step);

  // Counts the request under way as slow, if it has become overdue and not by its client's doing;
  // once. Any time.
  void count_overdue() noexcept;
  // Counts it as one that hangs, or as one that does no longer; any time.
  void check_hang() noexcept;
  // Has the circuit count the canary's silence, if its limit was not known when that began; any
  // time.
  void check_silence() noexcept;
  [[nodiscard]] Exchange* next() const noexcept { return next_; }

 private:
  enum class ResponseStage : std::uint8_t { kHead, kInterim, kBody };

  [[nodiscard]] Step begin_request();
  [[nodiscard]] Step begin_relay();
  [[nodiscard]] Step go_on();
  // What they are made of, in its order. kNone: go on.
  [[nodiscard]] bool take_head(ProxyError& outcome);
  [[nodiscard]] net::Task<ProxyError> await_head();
  void forget_unbelieved() noexcept;
  [[nodiscard]] ProxyError decide();
  [[nodiscard]] std::uint64_t balance_key() const noexcept;
  void first_try();
  void begin_first_try();
  void begin_try(upstream::Lease lease) noexcept;
  [[nodiscard]] net::Task<ProxyError> enter();
  [[nodiscard]] net::Task<ProxyError> connect();
  [[nodiscard]] ProxyError start_relay();
  [[nodiscard]] bool relay(ProxyError& outcome);
  [[nodiscard]] ProxyError outcome_of(net::Wake wake) noexcept;
  [[nodiscard]] bool tries_again(ProxyError& error);
  [[nodiscard]] bool next_try(Retry kind);
  [[nodiscard]] Retry may_retry(ProxyError error) noexcept;
  void follow_endpoints() noexcept;
  void note_outcome(ProxyError error) const noexcept;
  [[nodiscard]] TryFailure failure_of(ProxyError error) const noexcept;
  [[nodiscard]] Monotonic try_deadline() const noexcept;
  void use_upstream(UpstreamId id) noexcept;
  // exchange_use.cpp
  void note_use(UpstreamId id) noexcept;
  void begin_trace(BasisPoints sampled) noexcept;
  // fallback.cpp
  [[nodiscard]] bool falls_back(ProxyError error) const noexcept;
  void fall_back(ProxyError error);
  [[nodiscard]] net::Task<Next> answer(ProxyError error);
  void tell_decision(LocalReply& reply, http::SetCookie& cookie) const noexcept;
  [[nodiscard]] net::Task<Next> tunnel();

  [[nodiscard]] bool nothing_received() const noexcept;
  [[nodiscard]] ProxyError make_room();
  void park_head() noexcept;
  void take_head_block(net::Buffer block) noexcept;
  void head_moved(std::size_t held) noexcept;
  [[nodiscard]] bool start_upload();
  [[nodiscard]] FlowState advance_upload();
  [[nodiscard]] FlowState advance_response();
  [[nodiscard]] FlowState read_response_head();
  [[nodiscard]] FlowState receive_response();
  [[nodiscard]] FlowState begin_interim();
  [[nodiscard]] FlowState begin_response();

  [[nodiscard]] std::optional<ProxyError> settled(FlowState up, FlowState down) const noexcept;
  void note_progress() noexcept;
  void note_client() noexcept;
  [[nodiscard]] ProxyError cut(FlowState up) const noexcept;
  [[nodiscard]] Monotonic deadline(FlowState up, FlowState down) const noexcept;
  [[nodiscard]] Monotonic wake_at() const noexcept;
  void look() noexcept;
  [[nodiscard]] bool upstream_is_there() noexcept;
  [[nodiscard]] bool upstream_broke_off() const noexcept;
  [[nodiscard]] ProxyError expired(FlowState up, FlowState down) const noexcept;
  [[nodiscard]] Monotonic request_deadline() const noexcept;
  // While the upstream is waited for.
  [[nodiscard]] ProxyError timed_out() const noexcept;
  [[nodiscard]] Monotonic deadline_of(Duration total) const noexcept;
  [[nodiscard]] bool upstream_must_speak(FlowState up) const noexcept;
  [[nodiscard]] bool client_must_send(FlowState up) const noexcept;
  [[nodiscard]] bool waits_for_client() const noexcept;
  [[nodiscard]] bool waits_for_version() const noexcept;
  [[nodiscard]] bool is_older_than(Duration after) const noexcept;
  [[nodiscard]] bool is_evidence() const noexcept;
  void count_abandoned() noexcept;
  [[nodiscard]] bool hangs() const noexcept;
  [[nodiscard]] bool is_silent_for(Duration limit) const noexcept;
  void end_hang(ProxyError error) noexcept;
  void record(ProxyError error);
  [[nodiscard]] ExchangeRecord entry(ProxyError error) const noexcept;
  void leave_upstream() noexcept;
  void clear_request() noexcept;
  // exchange_feedback.cpp
  [[nodiscard]] bool is_vote() const noexcept;
  [[nodiscard]] net::Task<ProxyError> take_vote();
  [[nodiscard]] ProxyError check_vote_head() const noexcept;
  [[nodiscard]] net::Task<ProxyError> say_continue(Monotonic by);
  [[nodiscard]] ProxyError make_room_behind_head(std::size_t bytes);
  [[nodiscard]] ProxyError cast_vote(std::string_view body);
  [[nodiscard]] const routing::RouteMatch* route_of_page(std::string_view page);
  // exchange_mirror.cpp
  [[nodiscard]] bool is_copy() const noexcept;
  void choose_copy();
  void begin_copy(http::RequestForwarding forwarding);
  [[nodiscard]] bool mirrors_to_stable() const noexcept;
  [[nodiscard]] bool copy_waits() const noexcept;
  void send_copy();
  void spare_copy() noexcept;
  void end_copy();
  void drop_copy(stats::Mirrored why);
  // exchange_parity.cpp
  [[nodiscard]] const ParityPolicy& parity_policy() const noexcept;
  [[nodiscard]] std::string_view sampled_id() const noexcept;
  void choose_parity();
  void send_parity(http::RequestForwarding forwarding);
  // exchange_rules.cpp
  [[nodiscard]] std::string_view target_for(UpstreamId upstream, const http::Target& target);
  [[nodiscard]] UpstreamId answering_upstream() const noexcept;
  void edit_response();
  void edit_references(const RewritePolicy& rewrite);
  [[nodiscard]] ProxyError use_rules();
  [[nodiscard]] ProxyError begin_own_answer();
  void write_own_answer(http::HeadBuffer& out, bool keep_alive);
  // What the client was told.
  [[nodiscard]] std::uint16_t told(ProxyError error) const noexcept;
  // exchange_access.cpp
  void log_access(ProxyError error) const noexcept;
  void fill(AccessEntry& entry, ProxyError error) const noexcept;
  void log_request(AccessEntry& entry) const noexcept;
  void log_decision(telemetry::AccessRecord& record) const noexcept;
  void log_outcome(telemetry::AccessRecord& record, ProxyError error) const noexcept;
  // exchange_grpc.cpp
  void read_grpc_head() noexcept;
  void read_grpc_trailers() noexcept;
  void clear_try() noexcept;
  void clear_response() noexcept;
  // fallback.cpp
  void cover() noexcept;
  [[nodiscard]] bool can_ask_stable() const noexcept;
  [[nodiscard]] bool stable_has_time() const noexcept;
  [[nodiscard]] bool sets_aside(std::uint16_t status) const noexcept;
  [[nodiscard]] const FailurePolicy* failure_policy() const noexcept;
  // protection.cpp
  void guard() noexcept;
  [[nodiscard]] bool enter_probe() noexcept;
  void hasten() noexcept;
  void charge_circuit() noexcept;
  void charge() noexcept;
  void charge_status() noexcept;
  void protect(const ExchangeRecord& entry) noexcept;
  [[nodiscard]] bool left_while_served(ProxyError error) const noexcept;
  [[nodiscard]] bool client_is_tls() const noexcept;
  void note_silence(FlowState up) noexcept;
  [[nodiscard]] bool wants_keep_alive() const noexcept;
  [[nodiscard]] bool yields() const noexcept {
    return up_ == FlowState::kYield || down_ == FlowState::kYield;
  }
  [[nodiscard]] Next after_response() noexcept;

  [[nodiscard]] net::Stream& client() noexcept { return connection_->stream(); }
  [[nodiscard]] const net::Stream& client() const noexcept { return connection_->stream(); }
  [[nodiscard]] net::Stream& server() noexcept { return lease_.stream(); }
  [[nodiscard]] Monotonic now() const noexcept { return state_.runtime.now(); }
  [[nodiscard]] const upstream::UpstreamSpec& upstream_spec() const noexcept {
    return upstream_->spec();
  }
  [[nodiscard]] std::string_view received() const noexcept {
    return {head_block_.data() + begin_, end_ - begin_};
  }

  ServiceState& state_;
  Exchange* next_ = nullptr;
  Exchange* previous_ = nullptr;
  Connection* connection_ = nullptr;
  ProxyError error_ = ProxyError::kNone;  // Of the step that was taken last.

  // The request. What was received lies in [begin_, end_) of head_block_, the head first.
  http::RequestParser request_parser_;
  http::RequestHead request_;
  net::Buffer head_block_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Monotonic started_at_{};  // When the head was complete: a slow client is not a slow version.
  BodyFlow upload_;

  // The decision.
  TablePointer table_;
  const routing::RouteMatch* route_ = nullptr;
  const RouteRules* rules_ = nullptr;       // Of the route; null: none.
  const RespondPolicy* respond_ = nullptr;  // The answer is ours; among the rules.
  http::Target target_;  // In the worker's scratch: good until this exchange first waits.
  bool target_good_ = false;
  routing::Pick pick_;
  SegmentSet segments_;
  routing::FreshId fresh_request_id_;
  http::FreshTraceParent fresh_trace_;
  bool trace_begun_ = false;  // Here: the upstream gets fresh_trace_.
  upstream::Upstream* upstream_ = nullptr;
  const upstream::Timeouts* timeouts_ = nullptr;  // Those of upstream_, or the route's below.
  upstream::Timeouts route_timeouts_;
  std::uint64_t balance_key_ = 0;  // Only for an upstream that needs one.
  stats::CounterBlock* counters_ = nullptr;
  Cohort answering_ = Cohort::kNone;  // Whose upstream_ is; stable's in a fallback.
  bool covered_ = false;              // Stable may answer should this canary fail.
  bool set_aside_ = false;            // It has: by the status in status_.
  bool fell_back_ = false;
  bool body_waits_ = false;  // What the canary had of the body is held, and not sent to stable yet.
  CanaryFailure canary_failure_;
  bool parity_ = false;         // It is to be asked again of both versions.
  bool vote_ = false;           // Feedback of a user: it goes nowhere, and the answer is ours.
  std::size_t body_taken_ = 0;  // Of a vote, received behind the head and used up.
  bool charged_ = false;        // The gate knows of its failure.
  bool probe_ = false;          // Of a canary that is suspended.
  bool overdue_ = false;        // It has been counted as slow.
  bool hung_ = false;           // It has been counted as one that hangs, and has not gone on since.
  bool slow_counted_ = false;   // The circuit has counted its silence; how it ends is no news.
  Duration slow_after_{};       // Silence that the circuit counts; 0: none, or counted already.

  std::unique_ptr<RequestCopy> copy_;  // For the route's mirror; null: none, or it has gone.

  bool queued_ = false;             // Waits for a slot.
  upstream::ConcurrencySlot slot_;  // Held through all tries, and by a tunnel to its end.

  // This try.
  TablePointer later_;  // Owns upstream_, if that is not the decision's any more.
  upstream::Tried tried_;
  upstream::Lease lease_;
  Monotonic try_expires_at_ = net::kNever;
  unsigned tries_ = 0;  // Finished ones that count against retries.attempts.
  unsigned retries_made_ = 0;
  bool websocket_ = false;  // It asks to switch protocols.
  Monotonic try_began_at_{};
  std::optional<Duration> connect_took_;  // Of the last fresh connection.
  std::optional<Monotonic> first_byte_at_;
  bool stale_retried_ = false;

  // The response. What was received lies in [response_begin_, response_end_) of response_block_
  // until its body flows.
  http::ResponseParser response_parser_;
  http::ResponseHead response_;
  net::Buffer response_block_;
  std::size_t response_begin_ = 0;
  std::size_t response_end_ = 0;
  ResponseStage stage_ = ResponseStage::kHead;
  BodyFlow download_;
  std::vector<std::unique_ptr<std::string>> edited_;  // Values put into response_.
  std::uint16_t status_ = 0;
  std::uint8_t interims_ = 0;
  bool continued_ = false;  // One of them was 100.
  bool grpc_failed_ = false;
  bool grpc_trailers_ = false;  // gRPC, and what became of it is said behind the body.
  std::optional<std::uint32_t> grpc_status_;
  bool response_keep_alive_ = false;  // The upstream connection may be used again.
  bool client_keep_alive_ = false;    // What the client was told.
  bool until_close_ = false;          // The client sees the end of the body only by our close.
  bool interim_sent_ = false;         // An interim response was for the client.
  bool client_told_ = false;          // Bytes of a response have gone to the client.

  // Where each direction stopped, when it last moved, and how far.
  FlowState up_ = FlowState::kNeedRead;
  FlowState down_ = FlowState::kNeedRead;
  Monotonic upload_moved_at_{};
  Monotonic download_moved_at_{};
  std::uint64_t upload_progress_ = 0;
  std::uint64_t download_progress_ = 0;
  // When the relay last turned to wait, and how long of all that it has waited for the client.
  Monotonic turned_at_{};
  Duration client_took_{};
  Duration queue_took_{};
  bool client_stalled_ = false;  // While the response was there to be taken.
  Backlog upload_backlog_;
  Backlog download_backlog_;
};

}  // namespace canaryd::proxy
