// The audit log: the journal as operators read it.
#include "control/controller_state.hpp"
#include "control/verdict_record.hpp"

#include <memory>
#include <utility>

namespace canaryd::control {
namespace {

using Rows = std::vector<store::JournalRow>;

std::vector<HistoryRow> lines_of(Rows rows) {
  std::vector<HistoryRow> out;
  for (store::JournalRow& row : rows) {
    HistoryRow line;
    line.id = row.id;
    line.time = row.entry.at;
    line.rollout = std::move(row.entry.rollout);
    line.event = std::move(row.entry.event);
    line.from = std::move(row.entry.from);
    line.to = std::move(row.entry.to);
    line.reason =
        row.entry.reason.empty() ? std::move(row.entry.cause) : std::move(row.entry.reason);
    line.weight = row.entry.weight_after;
    line.actor = std::move(row.entry.actor);
    line.message = std::move(row.entry.sentence);
    line.evidence_json = text_of_record(row.entry.evidence);
    out.push_back(std::move(line));
  }
  return out;
}

tl::unexpected<Error> no_such_rollout(const std::string& name) {
  return fail(ErrorCode::kNotFound, "there is no rollout \"" + name + "\"");
}

// Whether nothing has come after `after`, or nothing has had that id yet: who asks on from there,
// as after the state was put away, would wait in vain.
Result<std::vector<HistoryRow>> nothing_after(std::uint64_t after, const Rows& newest) {
  const std::uint64_t last = newest.empty() ? 0 : newest.back().id;
  if (after <= last) return std::vector<HistoryRow>();
  return fail(ErrorCode::kInvalidArgument,
              "after: no entry of the history has the id " + std::to_string(after) +
                  " yet, the newest has " + std::to_string(last));
}

}  // namespace

void Controller::history(HistoryQuery query, HistoryDone done) {
  // What has left the file keeps its history.
  const bool in_file = state_->find(query.rollout) != nullptr;
  store::HistoryQuery rows;
  rows.rollout = query.rollout;
  rows.limit = query.limit;
  rows.after = query.after;
  auto tell =
      [this, still = state_->alive, in_file, query, done = std::move(done)](Result<Rows> found) {
        if (!found) return done(fail(std::move(found).error()));
        if (!found->empty()) return done(lines_of(std::move(*found)));
        if (!query.after) {
          return in_file ? done(std::vector<HistoryRow>()) : done(no_such_rollout(query.rollout));
        }
        if (!*still) return;
        // Ids are those of the whole journal; one that has left the file has to be in it.
        store::HistoryQuery newest;
        newest.limit = 1;
        if (!in_file) newest.rollout = query.rollout;
        state_->parts.store->history(std::move(newest), [in_file, query, done](Result<Rows> last) {
          if (!last) return done(fail(std::move(last).error()));
          if (!in_file) {
            return last->empty() ? done(no_such_rollout(query.rollout))
                                 : done(std::vector<HistoryRow>());
          }
          done(nothing_after(*query.after, *last));
        });
      };
  state_->parts.store->history(std::move(rows), std::move(tell));
}

}  // namespace canaryd::control
