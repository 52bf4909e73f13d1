#include "canaryd/store/store.hpp"

namespace canaryd::store {

JournalEntry entry_of(const rollout::Transition& transition) {
  const rollout::Change& change = transition.change;
  JournalEntry entry;
  entry.rollout = change.rollout;
  entry.generation = change.generation;
  entry.at = change.at;
  entry.actor = change.actor;
  entry.event = change.event;
  entry.from = to_string(change.from);
  entry.to = to_string(change.to);
  entry.step = change.step;
  entry.weight_before = change.weight_before;
  entry.weight_after = change.weight_after;
  entry.cause = to_string(change.cause);
  entry.reason = change.reason;
  entry.evidence = change.evidence;
  entry.sentence = rollout::sentence(change);
  entry.state = rollout::serialise(transition.state);
  return entry;
}

std::vector<Result<void>> Store::write_each(std::span<const Batch* const> batches) {
  std::vector<Result<void>> results;
  for (const Batch* batch : batches) {
    // Nothing may be there while something before it is missing.
    const bool failing =
        !results.empty() && !results.back() && results.back().error().retry != Retry::kNever;
    results.push_back(failing ? results.back() : write(*batch));
  }
  return results;
}

Result<void> Store::drop_evidence(const std::string& rollout, std::uint64_t before_run) {
  Batch batch;
  batch.drops.push_back({rollout, before_run});
  return write(batch);
}

Result<Verification> Store::verify() {
  constexpr std::size_t kRowsAtOnce = 1000;
  Verification so_far;
  while (!so_far.done) {
    CANARYD_TRY_ASSIGN(so_far, verify_some(std::move(so_far), kRowsAtOnce));
  }
  return so_far;
}

}  // namespace canaryd::store
