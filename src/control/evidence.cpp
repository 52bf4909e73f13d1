#include "control/evidence.hpp"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

namespace canaryd::control {
namespace {

// Doubles go into the rows bit by bit, so that a replay computes with the same numbers.
std::int64_t bits(double value) noexcept {
  return std::bit_cast<std::int64_t>(value);
}
double number(std::int64_t value) noexcept {
  return std::bit_cast<double>(value);
}

std::vector<std::int64_t> settings_row(const analysis::Settings& settings) {
  return {bits(settings.false_rollback),
          bits(settings.false_accept),
          bits(settings.tolerance.errors.relative),
          bits(settings.tolerance.errors.absolute),
          bits(settings.burst_guard)};
}

bool probability(double value) noexcept {
  return value > 0 && value <= 0.5;
}

Result<analysis::Settings> read_settings(const std::vector<std::int64_t>& values,
                                         analysis::Settings settings) {
  if (values.size() < 5) return fail(ErrorCode::kMalformed, "settings row is too short");
  settings.false_rollback = number(values[0]);
  settings.false_accept = number(values[1]);
  settings.tolerance.errors.relative = number(values[2]);
  settings.tolerance.errors.absolute = number(values[3]);
  settings.burst_guard = number(values[4]);
  const bool sound =
      probability(settings.false_rollback) && probability(settings.false_accept) &&
      settings.tolerance.errors.relative >= 0 && settings.tolerance.errors.relative < 1e9 &&
      settings.tolerance.errors.absolute >= 0 && settings.tolerance.errors.absolute <= 1 &&
      settings.burst_guard > 0 && settings.burst_guard < 1e9;
  if (!sound) return fail(ErrorCode::kMalformed, "settings row is out of range");
  return settings;
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
  add_row(store::EvidenceKind::kSettings, settings_row(settings));
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
  for (auto row = begin.base(); row != rows.end(); ++row) CANARYD_TRY(evidence.replay_row(*row));
  evidence.next_index_ = rows.back().index + 1;
  evidence.verdict_ = evidence.analyzer_.evaluate();
  return evidence;
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
      begin_step(BasisPoints(static_cast<unsigned>(v[0])),
                 BasisPoints(static_cast<unsigned>(v[1])),
                 v[2] != 0);
      pending_.clear();
      return {};
    }
    case store::EvidenceKind::kBlock: {
      if (v.size() < 8 || v[1] > UINT32_MAX || v[3] > UINT32_MAX) break;
      stats::Block block;
      block.start_second = v[0];
      block.seconds = static_cast<std::uint32_t>(v[1]);
      block.epoch = static_cast<std::uint64_t>(v[2]);
      block.step = static_cast<std::uint32_t>(v[3]);
      block.stable = {static_cast<std::uint64_t>(v[4]), static_cast<std::uint64_t>(v[5])};
      block.canary = {static_cast<std::uint64_t>(v[6]), static_cast<std::uint64_t>(v[7])};
      if (block.stable.bad > block.stable.n || block.canary.bad > block.canary.n) break;
      absorb(block);
      pending_.clear();
      return {};
    }
    case store::EvidenceKind::kSettings:
      break;
  }
  return fail(ErrorCode::kMalformed, "evidence row " + std::to_string(row.index) + " is damaged");
}

void Evidence::begin_step(BasisPoints weight, BasisPoints next_weight, bool has_control) {
  // The first step of a run is no raise.
  if (begun_ && weight > weight_) analyzer_.weight_increased();
  const BasisPoints next =
      next_weight > BasisPoints(0) ? next_weight : BasisPoints(BasisPoints::kMax);
  begun_ = true;
  weight_ = weight;
  next_weight_ = next;
  analysis::StepTarget target;
  target.next_weight = next;
  target.has_control = has_control;
  analyzer_.begin_step(target);
  verdict_ = analyzer_.evaluate();
  add_row(store::EvidenceKind::kStep, {weight.value(), next.value(), has_control ? 1 : 0});
}

void Evidence::absorb(const stats::Block& block) {
  analyzer_.absorb(block);
  verdict_ = analyzer_.evaluate();
  // A block that is not comparable moves no account; the journal does without.
  if (!block.comparable()) return;
  add_row(store::EvidenceKind::kBlock,
          {block.start_second,
           static_cast<std::int64_t>(block.seconds),
           static_cast<std::int64_t>(block.epoch),
           static_cast<std::int64_t>(block.step),
           static_cast<std::int64_t>(block.stable.n),
           static_cast<std::int64_t>(block.stable.bad),
           static_cast<std::int64_t>(block.canary.n),
           static_cast<std::int64_t>(block.canary.bad)});
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
  store::EvidenceRow row;
  row.rollout = rollout_;
  row.run = run_;
  row.index = next_index_++;
  row.kind = kind;
  row.values = std::move(values);
  pending_.push_back(std::move(row));
}

}  // namespace canaryd::control
