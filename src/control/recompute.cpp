#include "control/recompute.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

// The journal does without blocks that cannot be compared, because they move no account; the reason
// of a hold, and with it an accept, is all that they change. The record has that reason.
std::optional<stats::Block> silent_block(std::string_view reason) {
  stats::Block block;
  if (reason == analysis::to_string(analysis::Reason::kNoTraffic)) return block;
  if (reason == analysis::to_string(analysis::Reason::kNoCanaryTraffic)) {
    block.stable.n = 1;
    return block;
  }
  if (reason == analysis::to_string(analysis::Reason::kNoStableTraffic)) {
    block.canary.n = 1;
    return block;
  }
  return std::nullopt;
}

}  // namespace

Recomputation::Recomputation(std::string rollout,
                             std::uint64_t run,
                             std::uint64_t rows,
                             const analysis::Settings& others)
    : rollout_(std::move(rollout)), run_(run), rows_(rows), others_(others) {}

std::optional<std::uint64_t> Recomputation::next() const noexcept {
  if (next_ >= rows_) return std::nullopt;
  return next_;
}

std::optional<std::uint64_t> Recomputation::missing() const noexcept {
  if (gap_ || next_ < rows_) return gap_.value_or(next_);
  return evidence_ ? std::nullopt : std::optional<std::uint64_t>(0);
}

Result<void> Recomputation::begin(const store::EvidenceRow& settings) {
  CANARYD_TRY_ASSIGN(Evidence begun, Evidence::replay(rollout_, run_, others_, {settings}));
  evidence_ = std::move(begun);
  gap_ = std::nullopt;
  return {};
}

// Evidence begins anew behind rows that were lost, with its settings: what came before them is of
// no account.
Result<void> Recomputation::feed(std::span<const store::EvidenceRow> slice) {
  const auto end = std::find_if(slice.begin(), slice.end(), [this](const store::EvidenceRow& row) {
    return row.index >= rows_;
  });
  for (auto row = slice.begin(); row != end;) {
    if (row->kind == store::EvidenceKind::kSettings) {
      CANARYD_TRY(begin(*row));
      next_ = row->index + 1;
      ++row;
      continue;
    }
    const auto stop = std::find_if(row, end, [](const store::EvidenceRow& each) {
      return each.kind == store::EvidenceKind::kSettings;
    });
    for (auto each = row; each != stop; ++each) {
      if (each->index != next_ && !gap_) gap_ = next_;
      next_ = each->index + 1;
    }
    if (evidence_ && !gap_) CANARYD_TRY(evidence_->replay_more(std::span(row, stop)));
    row = stop;
  }
  return {};
}

VerdictRecord Recomputation::verdict(const VerdictRecord& recorded) {
  if (const auto block = silent_block(recorded.reason)) evidence_->absorb(*block);
  return record_of(recorded.text, *evidence_);
}

}  // namespace canaryd::control
