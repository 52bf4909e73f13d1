// When the canary fails and stable can answer: which requests may be sent a second time, and which
// failures are worth it. Pure.
//
// The user whose request is answered by stable sees no failure; the failure is the canary's all the
// same, and stable's answer counts for nobody (record.hpp). What decides is that nothing has been
// sent to the client and that the request can be sent again whole, so a canary that breaks off in
// the middle of its response head is covered too. No fallback is counted as a retry, and each
// request has at most one.
//
// The version that answers is the one that is named: upstream and, with expose_cohort, client are
// told X-Canaryd-Cohort: stable. The user's cohort stays the canary; an issued cookie is the same.
#pragma once

#include "canaryd/http/message.hpp"
#include "canaryd/proxy/counters.hpp"
#include "canaryd/proxy/snapshot.hpp"
#include "canaryd/stats/counter_block.hpp"
#include "canaryd/upstream/share.hpp"

#include <cstdint>
#include <memory>

namespace canaryd::proxy {

// Before anything is sent: the method is listed, and the body no longer than what is held. A
// chunked body may turn out to be; then it is not held any more (BodyFlow::hold).
[[nodiscard]] bool is_covered(const FallbackPolicy& policy,
                              const http::RequestHead& request) noexcept;

// Of the canary's try: a failure of the version, not of the client or of our own limits.
[[nodiscard]] bool is_version_failure(ProxyError error) noexcept;

// What the canary left behind when stable took over.
struct CanaryFailure {
  ProxyError error = ProxyError::kNone;  // kNone: `status` was the failure.
  std::uint16_t status = 0;
  std::shared_ptr<const upstream::EndpointState> endpoint;  // The tables may let go of it.
};

// What became of it, by stable's outcome. `status`: of stable's response; 0: none came.
[[nodiscard]] stats::Fallback outcome_of_fallback(const FailurePolicy& policy,
                                                  ProxyError error,
                                                  std::uint16_t status) noexcept;

}  // namespace canaryd::proxy
