#include "support/memory_store.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::test {

void Disk::fail_with(std::optional<Error> error) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(error);
  missing_ = false;
}

void Disk::go_missing() {
  fail_with(Error{ErrorCode::kIo, Origin::kLocal, Retry::kSafe, "file is missing"});
  const std::lock_guard lock(mutex_);
  missing_ = true;
}

Result<void> Disk::probe() const {
  const std::lock_guard lock(mutex_);
  if (missing_) return ::canaryd::fail(*failure_);
  return {};
}

void Disk::fail() {
  fail_with(Error{ErrorCode::kIo, Origin::kLocal, Retry::kSafe, "disk is full"});
}

void Disk::fail_for_good() {
  fail_with(Error{ErrorCode::kMalformed, Origin::kLocal, Retry::kNever, "disk is damaged"});
}

void Disk::work() {
  fail_with(std::nullopt);
}

std::vector<store::JournalRow> Disk::journal() const {
  const std::lock_guard lock(mutex_);
  return journal_;
}

std::vector<store::EvidenceRow> Disk::evidence(const std::string& rollout,
                                               std::uint64_t run) const {
  const std::lock_guard lock(mutex_);
  std::vector<store::EvidenceRow> rows;
  const auto found = evidence_.find({rollout, run});
  if (found == evidence_.end()) return rows;
  for (const auto& [index, row] : found->second) rows.push_back(row);
  return rows;
}

std::uint64_t Disk::failed_writes() const {
  const std::lock_guard lock(mutex_);
  return failed_writes_;
}

void Disk::catch_up(store::AsyncStore& store) {
  std::unique_lock lock(mutex_);
  // A question about rows that can never be, told apart by which.
  const std::uint64_t mark = kFirstMark + ++marks_;
  lock.unlock();
  store::HistoryQuery question;
  question.after = mark;
  store.history(question, [](const Result<std::vector<store::JournalRow>>&) {});
  lock.lock();
  caught_up_.wait(lock, [&] { return mark_seen_ == mark; });
}

bool Disk::see_mark(std::uint64_t after) {
  const std::lock_guard lock(mutex_);
  if (after < kFirstMark) return false;
  mark_seen_ = after;
  caught_up_.notify_all();
  return true;
}

void Disk::damage_state(const std::string& text) {
  const std::lock_guard lock(mutex_);
  journal_.back().entry.state = text;
}

void Disk::damage_evidence(const std::string& rollout, std::uint64_t run, std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  evidence_[{rollout, run}].at(index).values = {-1};
}

void Disk::change_evidence(const std::string& rollout,
                           std::uint64_t run,
                           std::uint64_t index,
                           std::size_t value,
                           std::int64_t to) {
  const std::lock_guard lock(mutex_);
  evidence_[{rollout, run}].at(index).values.at(value) = to;
}

void Disk::change_recorded(std::uint64_t id, const std::string& text) {
  const std::lock_guard lock(mutex_);
  journal_.at(id - 1).entry.evidence = text;
}

void Disk::lose_evidence(const std::string& rollout, std::uint64_t run, std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  evidence_[{rollout, run}].erase(index);
}

Result<void> Disk::write(const store::Batch& batch) {
  const std::lock_guard lock(mutex_);
  if (failure_) {
    ++failed_writes_;
    return ::canaryd::fail(*failure_);
  }
  std::vector<const store::JournalEntry*> fresh;
  for (const store::JournalEntry& entry : batch.entries) {
    const store::JournalEntry* const last = last_of(entry.rollout);
    if (last != nullptr && *last == entry) continue;
    if (last != nullptr && last->generation >= entry.generation) return contradiction();
    fresh.push_back(&entry);
  }
  for (const store::EvidenceRow& row : batch.evidence) {
    const auto& rows = evidence_[{row.rollout, row.run}];
    const auto known = rows.find(row.index);
    if (known != rows.end() && !(known->second == row)) return contradiction();
  }
  for (const store::JournalEntry* entry : fresh) {
    journal_.push_back({journal_.size() + 1, *entry, {}});
  }
  for (const store::EvidenceRow& row : batch.evidence) {
    evidence_[{row.rollout, row.run}].insert_or_assign(row.index, row);
  }
  for (const store::ExposureUse& use : batch.exposure) {
    std::uint64_t& used = exposure_[{use.rollout, use.run}];
    used = std::max(used, use.used);
  }
  for (const store::StableIdle& idle : batch.idle) {
    idle_[{idle.rollout, idle.run}] = idle.milliseconds;
  }
  comments_.insert(comments_.end(), batch.comments.begin(), batch.comments.end());
  for (const store::Cursor& cursor : batch.cursors) {
    std::uint64_t& id = cursors_[cursor.reader];
    id = std::max(id, cursor.id);
  }
  for (const store::Readers& readers : batch.readers) {
    std::erase_if(cursors_, [&](const auto& each) {
      const bool kept = std::count(readers.names.begin(), readers.names.end(), each.first) > 0;
      return each.first.starts_with(readers.prefix) && !kept;
    });
  }
  for (const store::EvidenceDrop& dropped : batch.drops) drop(dropped);
  return {};
}

std::vector<store::JournalRow> Disk::latest() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, store::JournalRow> last;
  for (const store::JournalRow& row : journal_) last[row.entry.rollout] = row;
  std::vector<store::JournalRow> rows;
  for (auto& [name, row] : last) rows.push_back(row);
  return rows;
}

std::uint64_t Disk::exposure_used(const std::string& rollout, std::uint64_t run) const {
  const std::lock_guard lock(mutex_);
  const auto found = exposure_.find({rollout, run});
  return found == exposure_.end() ? 0 : found->second;
}

std::uint64_t Disk::stable_idle(const std::string& rollout, std::uint64_t run) const {
  const std::lock_guard lock(mutex_);
  const auto found = idle_.find({rollout, run});
  return found == idle_.end() ? 0 : found->second;
}

std::vector<store::Comment> Disk::comments(const std::string& rollout) const {
  const std::lock_guard lock(mutex_);
  std::vector<store::Comment> found;
  for (const store::Comment& comment : comments_) {
    if (comment.rollout == rollout) found.push_back(comment);
  }
  return found;
}

Result<std::uint64_t> Disk::open_cursor(const std::string& reader) {
  const std::lock_guard lock(mutex_);
  if (failure_) return ::canaryd::fail(*failure_);
  return cursors_.emplace(reader, journal_.size()).first->second;
}

void Disk::drop(const store::EvidenceDrop& dropped) {
  const auto goes = [&](const auto& item) {
    return item.first.first == dropped.rollout && item.first.second < dropped.before_run;
  };
  std::erase_if(exposure_, goes);
  std::erase_if(evidence_, goes);
}

const store::JournalEntry* Disk::last_of(const std::string& rollout) const {
  for (auto row = journal_.rbegin(); row != journal_.rend(); ++row) {
    if (row->entry.rollout == rollout) return &row->entry;
  }
  return nullptr;
}

tl::unexpected<Error> Disk::contradiction() {
  ++failed_writes_;
  return ::canaryd::fail(ErrorCode::kRefused, "contradicts what is written");
}

MemoryStore::MemoryStore(Disk& disk) : disk_(disk) {}

Result<void> MemoryStore::write(const store::Batch& batch) {
  return disk_.write(batch);
}

Result<std::vector<store::JournalRow>> MemoryStore::latest() {
  return disk_.latest();
}

Result<std::vector<store::JournalRow>> MemoryStore::history(const store::HistoryQuery& query) {
  std::vector<store::JournalRow> rows;
  if (disk_.see_mark(query.after.value_or(0))) return rows;
  for (store::JournalRow& row : disk_.journal()) {
    const bool wanted = query.rollout.empty() || row.entry.rollout == query.rollout;
    if (wanted && row.id > query.after.value_or(0)) rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<store::EvidenceRow>> MemoryStore::evidence(const store::EvidenceQuery& query) {
  std::vector<store::EvidenceRow> rows;
  for (store::EvidenceRow& row : disk_.evidence(query.rollout, query.run)) {
    if (rows.size() == query.limit) break;
    if (row.index >= query.from_index) rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::uint64_t> MemoryStore::exposure_used(const std::string& rollout, std::uint64_t run) {
  return disk_.exposure_used(rollout, run);
}

Result<std::uint64_t> MemoryStore::stable_idle(const std::string& rollout, std::uint64_t run) {
  return disk_.stable_idle(rollout, run);
}

Result<std::vector<store::Comment>> MemoryStore::comments(const std::string& rollout,
                                                          std::size_t /*limit*/) {
  return disk_.comments(rollout);
}

Result<std::uint64_t> MemoryStore::open_cursor(const std::string& reader) {
  return disk_.open_cursor(reader);
}

Result<store::Verification> MemoryStore::verify_some(store::Verification so_far, std::size_t) {
  so_far.done = true;
  return so_far;
}

Result<void> MemoryStore::probe() {
  return disk_.probe();
}

Result<store::Pruned> MemoryStore::prune(const store::PruneRule&, std::uint64_t) {
  return store::Pruned{};
}

}  // namespace canaryd::test
