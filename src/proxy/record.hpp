// What one exchange left behind, and what it means for the cohort that served it.
//
// Blame: a request that a client ended or spoiled says nothing about a version, and neither does
// one whose cohort was not drawn by lot (forced): both are traffic, not evidence. But what was
// answered, and was coming when its client left, is evidence by its status: whoever reads a stream
// leaves it in the end, and if only those that fail counted, all would have failed.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/segment_set.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/proxy/counters.hpp"
#include "canaryd/proxy/snapshot.hpp"
#include "canaryd/routing/cohort_pick.hpp"
#include "canaryd/stats/counter_block.hpp"
#include "canaryd/stats/counter_set.hpp"
#include "canaryd/stats/dedupe.hpp"
#include "canaryd/stats/failure_queue.hpp"

#include <cstdint>

namespace canaryd::proxy {

struct ExchangeRecord {
  // With a fallback, these are the canary's: it is charged, and stable's answer is not counted.
  ProxyError error = ProxyError::kNone;
  std::uint16_t upstream_status = 0;  // 0: no response head came.
  bool grpc_failed = false;           // It is gRPC, with a status that is a failure.
  std::uint16_t status = 0;           // What the client was told.
  stats::Fallback fallback = stats::Fallback::kNone;
  RouteId route;
  RolloutId rollout;
  const routing::Pick* pick = nullptr;
  const FailurePolicy* policy = nullptr;  // Null for a route without rollout.
  std::uint64_t epoch = 0;
  SegmentSet segments{};
  stats::CounterSet* counters = nullptr;  // Those that are not of the route; null without rollout.
  stats::LatencyCuts cuts{};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  bool left = false;     // By its client, while it was served.
  bool overdue = false;  // It was counted as slow while it was under way.
  Duration latency{};
  Monotonic ended_at{};
};

// Not the version's doing: the client's fault, or our own limits.
[[nodiscard]] bool is_blameless(ProxyError error) noexcept;

// Whether what the version did counts as its failure, whoever was asking.
[[nodiscard]] bool is_charged(const FailurePolicy& policy,
                              ProxyError error,
                              std::uint16_t upstream_status,
                              bool grpc_failed = false) noexcept;

// Before the dedupe: good, left, bad or excluded.
[[nodiscard]] stats::Judgement judge(const ExchangeRecord& record) noexcept;

// Counts it in the block, in its segments and in its client's group, and sends a failure of a known
// client on to the collector.
void write_record(const ExchangeRecord& record,
                  stats::CounterBlock& counters,
                  stats::DedupeTable& dedupe,
                  stats::FailureQueue* failures) noexcept;

}  // namespace canaryd::proxy
