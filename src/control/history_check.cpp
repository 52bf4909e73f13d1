#include "control/history_check.hpp"

#include "canaryd/control/history_check.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace canaryd::control {
namespace {

// Some milliseconds of the store's thread.
constexpr std::size_t kRowsAtOnce = 500;
constexpr std::size_t kHashDigits = 64;

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

std::string_view to_string(HistoryResult result) noexcept {
  switch (result) {
    case HistoryResult::kWhole:
      return "whole";
    case HistoryResult::kBroken:
      return "broken";
    case HistoryResult::kUnknownHead:
      break;
  }
  return "unknown_head";
}

std::string to_text(const store::ChainHead& head) {
  return std::to_string(head.id) + ":" + head.hash;
}

Result<store::ChainHead> parse_head(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  store::ChainHead head;
  const auto [end, error] = std::from_chars(text.data(), text.data() + colon, head.id);
  const std::string_view hash = text.substr(std::min(colon + 1, text.size()));
  if (error != std::errc() || end != text.data() + colon || !is_hash(hash)) {
    return fail(ErrorCode::kInvalidArgument,
                "a head is the id of an entry, a colon, and its hash of 64 digits 0-9a-f");
  }
  head.hash = hash;
  return head;
}

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
