#include "control/verification.hpp"

#include "control/controller_state.hpp"
#include "control/history_check.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

constexpr std::size_t kNewestRows = 100;

// As in the store's sweep (store/prune.hpp).
bool gets_no_evidence(rollout::Phase phase) {
  return phase == rollout::Phase::kRetired || phase == rollout::Phase::kRolledBack ||
         phase == rollout::Phase::kAborted;
}

bool has_figures(const store::JournalRow& row) {
  const auto record = read_record(row.entry.evidence);
  return record && record->run > 0;
}

}  // namespace

Verification::Verification(store::AsyncStore& store,
                           std::shared_ptr<const bool> alive,
                           const Evidence& current,
                           bool over,
                           VerifyQuery query,
                           VerifyDone done)
    : store_(store),
      alive_(std::move(alive)),
      others_(current.analyzer().settings()),
      current_run_(current.run()),
      over_(over),
      query_(std::move(query)),
      done_(std::move(done)) {}

void Verification::begin() {
  store::HistoryQuery rows;
  rows.rollout = query_.rollout;
  rows.limit = kNewestRows;
  if (query_.at) {
    rows.limit = 1;
    rows.after = std::max<std::uint64_t>(*query_.at, 1) - 1;
  }
  store_.history(std::move(rows),
                 [self = shared_from_this()](const Result<std::vector<store::JournalRow>>& found) {
                   if (!*self->alive_) return;
                   if (!found) return self->done_(fail(found.error()));
                   self->choose(*found);
                 });
}

void Verification::choose(const std::vector<store::JournalRow>& rows) {
  auto chosen = rows.empty() ? rows.end() : std::prev(rows.end());
  if (query_.at) {
    chosen = rows.begin();
    if (rows.empty() || chosen->id != *query_.at) chosen = rows.end();
  } else if (const auto last = std::find_if(rows.rbegin(), rows.rend(), has_figures);
             last != rows.rend()) {
    chosen = std::prev(last.base());
  }
  if (chosen == rows.end()) {
    return done_(fail(ErrorCode::kNotFound, "there is no such transition of this rollout"));
  }
  view_.id = chosen->id;
  view_.time = chosen->entry.at;
  view_.message = chosen->entry.sentence;
  auto record = read_record(chosen->entry.evidence);
  if (!record) {
    const bool damaged = record.error().code == ErrorCode::kMalformed;
    return end(damaged ? VerifyResult::kDamaged : VerifyResult::kNotVerifiable,
               record.error().context);
  }
  recorded_ = std::move(*record);
  view_.run = recorded_.run;
  view_.rows = recorded_.rows;
  view_.decision = recorded_.decision;
  if (recorded_.run == 0) {
    return end(VerifyResult::kNotVerifiable, "there was no evidence yet at this transition");
  }
  check_chain();
}

// What was recorded is only worth comparing with if it is what was written then.
void Verification::check_chain() {
  const auto go_on = [self = shared_from_this()](const Result<store::Verification>& checked) {
    if (!checked) return self->done_(fail(checked.error()));
    if (!checked->ok()) {
      return self->end(VerifyResult::kDamaged,
                       "the journal was changed: row " + std::to_string(*checked->bad_id) + ": " +
                           checked->problem);
    }
    self->recomputation_.emplace(
        self->query_.rollout, self->recorded_.run, self->recorded_.rows, self->others_);
    self->next_slice();
  };
  control::check_chain(store_, alive_, {}, go_on);
}

void Verification::next_slice() {
  const auto from = recomputation_->next();
  if (!from) return recompute();
  store::EvidenceQuery slice;
  slice.rollout = query_.rollout;
  slice.run = recorded_.run;
  slice.from_index = *from;
  slice.limit = kSliceRows;
  store_.evidence(std::move(slice),
                  [self = shared_from_this()](const Result<std::vector<store::EvidenceRow>>& rows) {
                    if (!*self->alive_) return;
                    if (!rows) return self->damaged_or_failed(rows.error());
                    if (rows->empty()) return self->recompute();
                    const auto fed = self->recomputation_->feed(*rows);
                    if (!fed) return self->damaged_or_failed(fed.error());
                    self->next_slice();
                  });
}

void Verification::damaged_or_failed(const Error& error) {
  if (error.code != ErrorCode::kMalformed) return done_(fail(error));
  end(VerifyResult::kDamaged, error.context);
}

void Verification::recompute() {
  if (recomputation_->empty() && recorded_.run < current_run_) {
    return end(VerifyResult::kNotVerifiable,
               "its evidence is not kept any more: a later run has begun");
  }
  if (recomputation_->empty() && over_) {
    return end(VerifyResult::kNotVerifiable,
               "its evidence is not kept any more: state.retention let it go");
  }
  if (const auto missing = recomputation_->missing()) {
    return end(VerifyResult::kDamaged, "evidence row " + std::to_string(*missing) + " is missing");
  }
  const VerdictRecord now = recomputation_->verdict(recorded_);
  bool same = now.decision == recorded_.decision && now.reason == recorded_.reason &&
              now.figures.size() == recorded_.figures.size();
  std::string first = "the decision";
  bool figures_agree = true;
  for (std::size_t i = 0; i < std::max(now.figures.size(), recorded_.figures.size()); ++i) {
    const VerdictRecord::Figure none;
    const auto& is = i < now.figures.size() ? now.figures[i] : none;
    const auto& was = i < recorded_.figures.size() ? recorded_.figures[i] : none;
    const bool agree = is.name == was.name && is.exact == was.exact;
    if (!agree && figures_agree) first = is.name.empty() ? was.name : is.name;
    figures_agree = figures_agree && agree;
    view_.figures.push_back({is.name.empty() ? was.name : is.name, was.exact, is.exact, is.value});
  }
  same = same && figures_agree;
  end(same ? VerifyResult::kSame : VerifyResult::kDifferent,
      same ? "computed again from its evidence it is the same, bit for bit"
           : "its evidence comes to another verdict: " + first + " is not what was recorded");
}

void Verification::end(VerifyResult result, std::string why) {
  view_.result = result;
  view_.why = std::move(why);
  done_(std::move(view_));
}

void Controller::verify(VerifyQuery query, VerifyDone done) {
  const Runner* const runner = state_->find(query.rollout);
  if (runner == nullptr) {
    return done(fail(ErrorCode::kNotFound, "there is no rollout \"" + query.rollout + "\""));
  }
  // One at a time, so that questions cannot add up to a stall.
  if (state_->verifying) {
    return done(fail(ErrorCode::kLimit, "a verification is under way already"));
  }
  state_->verifying = true;
  const std::shared_ptr<bool> alive = state_->alive;
  State* const state = state_.get();
  std::make_shared<Verification>(
      *state->parts.store,
      alive,
      runner->evidence(),
      state->config.state.retention.keep && gets_no_evidence(runner->state().phase),
      std::move(query),
      [state, alive, done = std::move(done)](Result<VerificationView> result) {
        if (!*alive) return;
        state->verifying = false;
        done(std::move(result));
      })
      ->begin();
}

}  // namespace canaryd::control
