#include "control/evidence.hpp"

#include "control/evidence_rows.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace canaryd::control {
namespace {

void note_thresholds(const stats::LatencyCounts& latency, stats::KnownThresholds& known) noexcept {
  for (std::size_t q = 0; q < known.size(); ++q) {
    if (latency.slow[q].judged()) known[q] = latency.slow[q].threshold;
  }
}

void note_clients(std::uint32_t index,
                  const stats::ClientSpread& clients,
                  std::vector<stats::ClientSpread>& known) {
  if (known.size() <= index) known.resize(index + 1);
  known[index] = clients;
}

}  // namespace

Evidence::Evidence(std::string rollout,
                   std::uint64_t run,
                   const analysis::Settings& settings,
                   std::uint64_t first_index)
    : rollout_(std::move(rollout)),
      run_(run),
      analyzer_(settings),
      verdict_(analyzer_.evaluate()),
      next_index_(first_index) {
  add_row(store::EvidenceKind::kSettings, settings_values(settings));
}

Result<Evidence> Evidence::replay(std::string rollout,
                                  std::uint64_t run,
                                  const analysis::Settings& settings,
                                  const std::vector<store::EvidenceRow>& rows) {
  if (rows.empty()) return Evidence(std::move(rollout), run, settings);
  // The last ones: an earlier beginning is one that had a gap.
  const auto begin = std::find_if(rows.rbegin(), rows.rend(), [](const store::EvidenceRow& row) {
    return row.kind == store::EvidenceKind::kSettings;
  });
  if (begin == rows.rend() && rows.front().index > 0) {
    Evidence evidence(std::move(rollout), run, settings, rows.back().index + 1);
    return evidence;
  }
  if (begin == rows.rend() || (rows.front().index == 0 && begin != std::prev(rows.rend()))) {
    return fail(ErrorCode::kMalformed, "evidence does not begin with its settings");
  }
  CANARYD_TRY_ASSIGN(const analysis::Settings began, read_settings(begin->values, settings));
  Evidence evidence(std::move(rollout), run, began);
  evidence.pending_.clear();
  evidence.next_index_ = std::prev(begin.base())->index + 1;
  CANARYD_TRY(evidence.replay_more(std::span(begin.base(), rows.end())));
  return evidence;
}

Result<void> Evidence::replay_more(std::span<const store::EvidenceRow> rows) {
  for (const store::EvidenceRow& row : rows) CANARYD_TRY(replay_row(row));
  if (!rows.empty()) next_index_ = rows.back().index + 1;
  verdict_ = analyzer_.evaluate();
  return {};
}

Result<void> Evidence::replay_row(const store::EvidenceRow& row) {
  const std::vector<std::int64_t>& v = row.values;
  if (row.run != run_ || row.rollout != rollout_) {
    return fail(ErrorCode::kMalformed, "an evidence row of another run");
  }
  for (const std::int64_t value : v) {
    if (value < 0) return fail(ErrorCode::kMalformed, "negative number in an evidence row");
  }
  switch (row.kind) {
    case store::EvidenceKind::kStep: {
      if (v.size() < 3 || v[0] > BasisPoints::kMax || v[1] < 1 || v[1] > BasisPoints::kMax) break;
      take_step(BasisPoints(static_cast<unsigned>(v[0])),
                BasisPoints(static_cast<unsigned>(v[1])),
                v[2] != 0);
      return {};
    }
    case store::EvidenceKind::kBlock: {
      const auto block = read_block(v);
      if (!block) break;
      take_block(*block);
      return {};
    }
    case store::EvidenceKind::kSettings:
      break;
  }
  return fail(ErrorCode::kMalformed, "evidence row " + std::to_string(row.index) + " is damaged");
}

void Evidence::take_step(BasisPoints weight, BasisPoints next_weight, bool has_control) {
  // The first step of a run is no raise.
  if (begun_ && weight > weight_) analyzer_.weight_increased();
  begun_ = true;
  weight_ = weight;
  next_weight_ = next_weight > BasisPoints(0) ? next_weight : BasisPoints(BasisPoints::kMax);
  analysis::StepTarget target;
  target.next_weight = next_weight_;
  target.has_control = has_control;
  analyzer_.begin_step(target);
}

void Evidence::begin_step(BasisPoints weight, BasisPoints next_weight, bool has_control) {
  take_step(weight, next_weight, has_control);
  verdict_ = analyzer_.evaluate();
  add_row(store::EvidenceKind::kStep, {weight.value(), next_weight_.value(), has_control ? 1 : 0});
}

void Evidence::take_block(const stats::Block& block) {
  analyzer_.absorb(block);
  learn(block);
}

void Evidence::learn(const stats::Block& block) {
  note_thresholds(block.latency, known_.all);
  if (block.comparable()) known_.clients = block.clients;
  for (const stats::RouteComparison& route : block.routes) {
    if (known_.routes.size() <= route.route) known_.routes.resize(route.route + 1);
    note_thresholds(route.counts.latency, known_.routes[route.route]);
    note_clients(route.route, route.clients, known_.route_clients);
  }
  for (const stats::SegmentComparison& segment : block.segments) {
    note_clients(segment.segment, segment.clients, known_.segment_clients);
  }
}

void Evidence::absorb(const stats::Block& block) {
  take_block(block);
  verdict_ = analyzer_.evaluate();
  // What moves no account the journal does without.
  if (!block.comparable() && !block.limits.has_canary()) return;
  const bool client_errors = analyzer_.settings().tolerance.client_errors.has_value();
  add_row(store::EvidenceKind::kBlock, block_values(block, client_errors));
}

std::vector<store::EvidenceRow> Evidence::take_pending() noexcept {
  return std::exchange(pending_, {});
}

void Evidence::put_back(std::vector<store::EvidenceRow> rows) {
  rows.insert(rows.end(),
              std::make_move_iterator(pending_.begin()),
              std::make_move_iterator(pending_.end()));
  pending_ = std::move(rows);
}

void Evidence::add_row(store::EvidenceKind kind, std::vector<std::int64_t> values) {
  // Nothing has begun, and nobody would read it: without a row in the journal the next start begins
  // at index 0 again, maybe with other settings, which would contradict what is there.
  if (run_ == 0) return;
  store::EvidenceRow row;
  row.rollout = rollout_;
  row.run = run_;
  row.index = next_index_++;
  row.kind = kind;
  row.values = std::move(values);
  pending_.push_back(std::move(row));
}

std::uint64_t judged_requests(const analysis::Verdict& verdict) noexcept {
  double most = 0;
  for (const analysis::MetricReport& metric : verdict.metrics) {
    if (!metric.feedback) most = std::max(most, metric.canary_n);
  }
  return static_cast<std::uint64_t>(most);
}

}  // namespace canaryd::control
