#include "store/journal_rows.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::store {
namespace {

constexpr int kHashColumn = 16;

BasisPoints to_weight(std::uint64_t value) {
  return BasisPoints(static_cast<unsigned>(std::min<std::uint64_t>(value, BasisPoints::kMax)));
}

}  // namespace

RowHash to_hash(const std::string& bytes) {
  RowHash hash{};
  if (bytes.size() == hash.size()) std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

StoredRow read_row(const Statement& from) {
  StoredRow row;
  row.id = from.integer(0);
  row.entry.rollout = from.text(1);
  row.entry.generation = from.integer(2);
  row.entry.at = WallTime(std::chrono::milliseconds(from.signed_integer(3)));
  row.entry.actor = from.text(4);
  row.entry.event = from.text(5);
  row.entry.from = from.text(6);
  row.entry.to = from.text(7);
  row.entry.step = from.integer(8);
  row.entry.weight_before = to_weight(from.integer(9));
  row.entry.weight_after = to_weight(from.integer(10));
  row.entry.cause = from.text(11);
  row.entry.reason = from.text(12);
  row.entry.evidence = from.text(13);
  row.entry.sentence = from.text(14);
  row.entry.state = from.text(15);
  row.hash = to_hash(from.blob(kHashColumn));
  return row;
}

void bind_row(Statement& to, const StoredRow& row) {
  const JournalEntry& entry = row.entry;
  to.bind(1, row.id).bind_text(2, entry.rollout).bind(3, entry.generation);
  to.bind_signed(4, entry.at.time_since_epoch().count());
  to.bind_text(5, entry.actor).bind_text(6, entry.event);
  to.bind_text(7, entry.from).bind_text(8, entry.to).bind(9, entry.step);
  to.bind(10, std::uint64_t{entry.weight_before.value()});
  to.bind(11, std::uint64_t{entry.weight_after.value()});
  to.bind_text(12, entry.cause).bind_text(13, entry.reason).bind_text(14, entry.evidence);
  to.bind_text(15, entry.sentence).bind_text(16, entry.state);
  to.bind_blob(17, row.hash.data(), row.hash.size());
}

JournalRow shown(StoredRow row) {
  return {row.id, std::move(row.entry), to_hex(row.hash)};
}

Result<void> check_limits(const Batch& batch) {
  for (const JournalEntry& entry : batch.entries) {
    for (const std::string* text : {&entry.rollout,
                                    &entry.actor,
                                    &entry.event,
                                    &entry.from,
                                    &entry.to,
                                    &entry.cause,
                                    &entry.reason,
                                    &entry.evidence,
                                    &entry.sentence,
                                    &entry.state}) {
      if (text->size() > kMaxTextBytes) {
        return fail(ErrorCode::kLimit, "a journal row of " + entry.rollout + " is too long");
      }
    }
  }
  for (const Comment& comment : batch.comments) {
    for (const std::string* text : {&comment.rollout, &comment.actor, &comment.text}) {
      if (text->size() > kMaxTextBytes) {
        return fail(ErrorCode::kLimit, "a comment on " + comment.rollout + " is too long");
      }
    }
  }
  for (const EvidenceRow& row : batch.evidence) {
    if (row.values.size() > kMaxValues || row.rollout.size() > kMaxTextBytes) {
      return fail(ErrorCode::kLimit, "an evidence row of " + row.rollout + " is too long");
    }
  }
  return {};
}

}  // namespace canaryd::store
