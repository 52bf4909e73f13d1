#include "control/retention.hpp"

#include <string>
#include <utility>

namespace canaryd::control {
namespace {

constexpr std::chrono::hours kBetweenSweeps{24};

}  // namespace

void RetentionSweep::tick(const config::Retention& rule,
                          const std::vector<store::RolloutReader>& readers,
                          Monotonic now,
                          WallTime wall_now) {
  if (busy_) return;
  if (rule != std::exchange(rule_, rule)) {
    next_sweep_.reset();
    at_.reset();
  }
  if (!rule.any()) return;
  if (!at_) {
    if (next_sweep_ && now < *next_sweep_) return;
    next_sweep_ = now + kBetweenSweeps;
    at_ = 0;
    swept_ = {};
  }
  store::PruneRule part;
  if (rule.keep) part.before = wall_now - std::chrono::floor<WallTime::duration>(*rule.keep);
  part.newest = rule.max_entries;
  part.readers = readers;
  part.now = wall_now;
  busy_ = true;
  store_.prune(std::move(part), *at_, [this, alive = alive_](const Result<store::Pruned>& pruned) {
    if (*alive) took(pruned);
  });
}

void RetentionSweep::took(const Result<store::Pruned>& pruned) {
  busy_ = false;
  if (!pruned) {
    log_.warn(log_event::kStoreFailed,
              "what state.retention lets go could not be taken out; it is tried again in a day: " +
                  describe(pruned.error()),
              {});
    at_.reset();
    return;
  }
  swept_.entries += pruned->entries;
  swept_.evidence += pruned->evidence;
  entries_ += pruned->entries;
  evidence_ += pruned->evidence;
  at_ = pruned->next_id;
  if (at_ || swept_.entries + swept_.evidence == 0) return;
  log_.info(log_event::kStatePruned,
            "state.retention took out " + std::to_string(swept_.entries) +
                " entries of the history and " + std::to_string(swept_.evidence) +
                " rows of evidence",
            {{"entries", swept_.entries}, {"evidence", swept_.evidence}});
}

}  // namespace canaryd::control
