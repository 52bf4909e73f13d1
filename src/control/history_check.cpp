#include "control/history_check.hpp"

#include "canaryd/control/history_check.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

// Some milliseconds of the store's thread.
constexpr std::size_t kRowsAtOnce = 500;

}  // namespace

HistoryCheckView view_of(const store::Verification& found) {
  HistoryCheckView view;
  view.entries = found.rows;
  view.pruned = found.pruned;
  view.rollout = found.rollout;
  view.of_rollout = found.rows_of_rollout;
  view.first = found.first;
  view.last = found.last;
  view.head = found.head;
  view.bad_id = found.bad_id;
  if (!found.ok()) {
    view.result = HistoryResult::kBroken;
    view.why = "entry " + std::to_string(*found.bad_id) + ": " + found.problem;
  } else if (found.known_pruned) {
    view.result = HistoryResult::kUnknownHead;
    view.why = "entry " + std::to_string(found.known->id) +
               " was taken out by retention since, so its hash can be compared with nothing: keep "
               "a later head";
  } else {
    view.why = "every entry has the hash that it should have";
    if (found.known) view.why += ", the one of the head that was kept as well";
  }
  return view;
}

void check_chain(store::AsyncStore& store,
                 std::shared_ptr<const bool> alive,
                 store::Verification so_far,
                 std::function<void(Result<store::Verification>)> done) {
  store.verify_some(std::move(so_far),
                    kRowsAtOnce,
                    [&store, alive, done = std::move(done)](Result<store::Verification> found) {
                      if (!*alive) return;
                      if (!found || found->done) return done(std::move(found));
                      check_chain(store, alive, std::move(*found), done);
                    });
}

void Controller::verify_history(HistoryCheckQuery query, HistoryCheckDone done) {
  if (!query.rollout.empty() && state_->find(query.rollout) == nullptr) {
    return done(fail(ErrorCode::kNotFound, "there is no rollout \"" + query.rollout + "\""));
  }
  // One at a time, as of verdicts.
  if (state_->verifying) {
    return done(fail(ErrorCode::kLimit, "a verification is under way already"));
  }
  state_->verifying = true;
  store::Verification wanted;
  wanted.rollout = std::move(query.rollout);
  wanted.known = std::move(query.known);
  State* const state = state_.get();
  check_chain(*state->parts.store,
              state->alive,
              std::move(wanted),
              [state, done = std::move(done)](Result<store::Verification> found) {
                state->verifying = false;
                if (!found) return done(fail(std::move(found).error()));
                done(view_of(*found));
              });
}

}  // namespace canaryd::control
