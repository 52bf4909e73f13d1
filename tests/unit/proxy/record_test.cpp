#include "proxy/record.hpp"

#include <gtest/gtest.h>

namespace canaryd::proxy {
namespace {

using namespace std::chrono_literals;
using stats::Judgement;

class RecordTest : public testing::Test {
 protected:
  RecordTest() {
    for (std::size_t status = 500; status < 600; ++status) policy_.status.set(status);
    pick_.cohort = Cohort::kCanary;
    pick_.key_hash = 77;
    record_.status = record_.upstream_status = 200;
    record_.pick = &pick_;
    record_.policy = &policy_;
    record_.rollout = RolloutId(3);
    record_.route = RouteId(4);
    record_.epoch = 5;
    record_.latency = 20ms;
    record_.ended_at = Monotonic(100s);
  }

  [[nodiscard]] Judgement judged(ProxyError error, std::uint16_t upstream_status = 0) {
    record_.error = error;
    record_.upstream_status = upstream_status;
    return judge(record_);
  }
  void write() { write_record(record_, block_, dedupe_, &failures_); }

  FailurePolicy policy_;
  routing::Pick pick_;
  ExchangeRecord record_;
  stats::CounterBlock block_;
  stats::DedupeTable dedupe_;
  stats::FailureQueue failures_{16};
};

TEST_F(RecordTest, TheStatusDecides) {
  EXPECT_EQ(judged(ProxyError::kNone, 200), Judgement::kGood);
  EXPECT_EQ(judged(ProxyError::kNone, 404), Judgement::kGood);
  EXPECT_EQ(judged(ProxyError::kNone, 500), Judgement::kBad);
  EXPECT_EQ(judged(ProxyError::kNone, 599), Judgement::kBad);
  // A status beyond the policy's table is no failure and no way out of it.
  EXPECT_EQ(judged(ProxyError::kNone, 600), Judgement::kGood);
  EXPECT_EQ(judged(ProxyError::kNone, 999), Judgement::kGood);
  policy_.status.reset();
  policy_.status.set(404);
  EXPECT_EQ(judged(ProxyError::kNone, 404), Judgement::kBad);
  EXPECT_EQ(judged(ProxyError::kNone, 500), Judgement::kGood);
}

TEST_F(RecordTest, AGrpcFailureIsOneWhateverTheStatus) {
  record_.grpc_failed = true;
  EXPECT_EQ(judged(ProxyError::kNone, 200), Judgement::kBad);
  EXPECT_EQ(judged(ProxyError::kClientGone, 200), Judgement::kExcluded);
  policy_.reset = false;
  EXPECT_EQ(judged(ProxyError::kUpstreamReset, 200), Judgement::kGood) << "cut before it could say";
}

// INTERFACES, section 3: those with a star, and only those.
TEST_F(RecordTest, OnlyTheUpstreamsFailuresAreCharged) {
  for (unsigned i = 1; i < static_cast<unsigned>(ProxyError::kCount); ++i) {
    const auto error = static_cast<ProxyError>(i);
    const bool charged = error == ProxyError::kConnectFailed ||
                         error == ProxyError::kUpstreamReset ||
                         error == ProxyError::kUpstreamProtocol ||
                         error == ProxyError::kNoHealthyEndpoint || error == ProxyError::kTimeout;
    EXPECT_EQ(judged(error), charged ? Judgement::kBad : Judgement::kExcluded) << to_string(error);
    // Whatever the upstream had begun to answer.
    EXPECT_EQ(judged(error, 500), charged ? Judgement::kBad : Judgement::kExcluded)
        << to_string(error);
  }
}

// Only of whom the lot was drawn for; how long it took where latency is cut.
TEST_F(RecordTest, TheClientsGroupHasTheResponse) {
  stats::CounterSet set(5, 5, {0, 0, 0, 0});
  record_.counters = &set;
  write();
  record_.cuts.set(0, static_cast<std::uint16_t>(stats::latency_bucket(10ms)));
  write();
  pick_.key_hash = 0;
  write();
  pick_.key_hash = 77;
  record_.upstream_status = record_.status = 500;
  write();
  write();
  const auto* canary = set.find_client_groups(RolloutId(3), Cohort::kCanary);
  ASSERT_NE(canary, nullptr);
  const stats::GroupCounts group = canary->read().groups[stats::client_group(77)];
  EXPECT_EQ(group.judged, 3U) << "no one without a key, no repetition";
  EXPECT_EQ(group.bad, 1U);
  EXPECT_EQ(group.n, 1U);
  EXPECT_EQ(group.slow[0], 1U);
  EXPECT_EQ(set.find_client_groups(RolloutId(3), Cohort::kStable), nullptr);
}

TEST_F(RecordTest, APolicyMayForgive) {
  policy_.reset = false;
  EXPECT_EQ(judged(ProxyError::kUpstreamReset), Judgement::kGood);
  EXPECT_EQ(judged(ProxyError::kTimeout), Judgement::kBad);
  policy_.reset = true;
  policy_.timeout = false;
  EXPECT_EQ(judged(ProxyError::kUpstreamReset), Judgement::kBad);
  EXPECT_EQ(judged(ProxyError::kTimeout), Judgement::kGood);
}

TEST_F(RecordTest, WhatWasNotDrawnByLotIsNoEvidence) {
  pick_.counts_for_analysis = false;
  EXPECT_EQ(judged(ProxyError::kNone, 200), Judgement::kExcluded);
  EXPECT_EQ(judged(ProxyError::kTimeout), Judgement::kExcluded);
  record_.policy = nullptr;
  pick_.counts_for_analysis = true;
  EXPECT_EQ(judged(ProxyError::kNone, 200), Judgement::kExcluded);
}

TEST_F(RecordTest, CountsAGoodOne) {
  block_.begin();
  record_.bytes_in = 10;
  record_.bytes_out = 20;
  write();
  const auto read = block_.read();
  EXPECT_EQ(read.active, 0);
  EXPECT_EQ(read.code_class[2], 1U);
  EXPECT_EQ(read.judged, 1U);
  EXPECT_EQ(read.bad, 0U);
  EXPECT_EQ(read.bytes_in, 10U);
  EXPECT_EQ(read.bytes_out, 20U);
  EXPECT_EQ(read.duration_us, 20'000U);
  EXPECT_EQ(read.latency.total(), 1U);
  EXPECT_FALSE(failures_.pop().has_value());
}

TEST_F(RecordTest, SendsAFailureOn) {
  record_.error = ProxyError::kTimeout;
  record_.status = 504;
  block_.begin();
  write();
  EXPECT_EQ(block_.read().bad, 1U);
  EXPECT_EQ(block_.read().code_class[5], 1U);
  const auto failure = failures_.pop();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->rollout, RolloutId(3));
  EXPECT_EQ(failure->route, RouteId(4));
  EXPECT_EQ(failure->cohort, Cohort::kCanary);
  EXPECT_EQ(failure->key_hash, 77U);
  EXPECT_EQ(failure->second, 100);
  EXPECT_EQ(failure->epoch, 5U);
}

TEST_F(RecordTest, OneClientFailsOnceInAWindow) {
  record_.error = ProxyError::kTimeout;
  for (int i = 0; i < 12; ++i) {
    block_.begin();
    write();
  }
  EXPECT_EQ(block_.read().bad, 1U);
  EXPECT_EQ(block_.read().deduped, 11U);
  EXPECT_EQ(block_.read().repeated, 9U);
  record_.ended_at += 10s;
  block_.begin();
  write();
  pick_.key_hash = 78;
  block_.begin();
  write();
  EXPECT_EQ(block_.read().bad, 3U);
  EXPECT_EQ(block_.read().judged, 3U);
  int sent = 0;
  while (failures_.pop()) ++sent;
  EXPECT_EQ(sent, 3);
}

// Its time is the client's doing.
TEST_F(RecordTest, WhatItsClientLeftIsJudgedByItsStatus) {
  record_.left = true;
  EXPECT_EQ(judged(ProxyError::kClientGone, 200), Judgement::kLeft);
  EXPECT_EQ(judged(ProxyError::kClientGone, 503), Judgement::kBad);
  pick_.counts_for_analysis = false;
  EXPECT_EQ(judged(ProxyError::kClientGone, 200), Judgement::kExcluded);
  pick_.counts_for_analysis = true;
  record_.upstream_status = 200;
  block_.begin();
  write();
  const stats::CounterSnapshot read = block_.read();
  EXPECT_EQ(read.judged, 1U);
  EXPECT_EQ(read.bad, 0U);
  EXPECT_EQ(read.excluded, 0U);
  EXPECT_EQ(read.latency.total(), 0U);
  EXPECT_EQ(read.latency_other.total(), 1U);
}

// A failure that is nobody's fault must not make a client's next real one a duplicate.
TEST_F(RecordTest, WhatIsNotChargedStartsNoWindow) {
  record_.error = ProxyError::kClientGone;
  block_.begin();
  write();
  record_.error = ProxyError::kTimeout;
  block_.begin();
  write();
  EXPECT_EQ(block_.read().bad, 1U);
}

TEST_F(RecordTest, AClientThatLeftBeforeAnAnswerHasNoStatus) {
  record_.error = ProxyError::kClientGone;
  record_.status = status_of(ProxyError::kClientGone);
  record_.upstream_status = 0;
  block_.begin();
  write();
  EXPECT_EQ(block_.read().code_class[0], 1U);
  record_.status = record_.upstream_status = 200;
  block_.begin();
  write();
  EXPECT_EQ(block_.read().code_class[2], 1U);
  EXPECT_EQ(block_.read().excluded, 2U);
}

// The canary's failure, whatever stable made of it; who left is neither saved nor hurt.
TEST_F(RecordTest, AFallbackIsChargedToTheCanaryOnce) {
  using stats::Fallback;
  record_.upstream_status = 503;
  for (const auto fallback : {Fallback::kSaved, Fallback::kFailed, Fallback::kLeft}) {
    record_.fallback = fallback;
    ++pick_.key_hash;
    block_.begin();
    write();
  }
  const auto read = block_.read();
  EXPECT_EQ(read.judged, 3U);
  EXPECT_EQ(read.bad, 3U);
  EXPECT_EQ(read.code_class[5], 3U);
  EXPECT_EQ(read.saved, 1U);
  EXPECT_EQ(read.fallback_failed, 1U);
  EXPECT_EQ(read.user_failures, 1U);
}

TEST_F(RecordTest, AFailureThatIsForgivenIsStillSaved) {
  policy_.reset = false;
  record_.error = ProxyError::kConnectFailed;
  record_.upstream_status = 0;
  record_.fallback = stats::Fallback::kSaved;
  block_.begin();
  write();
  EXPECT_EQ(block_.read().bad, 0U);
  EXPECT_EQ(block_.read().saved, 1U);
}

TEST_F(RecordTest, WorksWithoutACollector) {
  record_.error = ProxyError::kTimeout;
  block_.begin();
  write_record(record_, block_, dedupe_, nullptr);
  EXPECT_EQ(block_.read().bad, 1U);
}

}  // namespace
}  // namespace canaryd::proxy
