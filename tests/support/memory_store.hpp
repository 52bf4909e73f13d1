// A store in memory that outlives its daemon: what a crash leaves behind, and a disk that fails
// when told to.
//
// Keeps the promises of store.hpp (atomic, repeatable, generations rise). Thread rule: the Disk may
// be used from the store's thread and the test's.
#pragma once

#include "canaryd/store/async_store.hpp"
#include "canaryd/store/store.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::test {

class Disk {
 public:
  // Writes fail from now on; nothing ends it.
  void fail_with(std::optional<Error> error) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(error);
  }
  void fail() { fail_with(Error{ErrorCode::kIo, Origin::kLocal, Retry::kSafe, "disk is full"}); }
  void fail_for_good() {
    fail_with(Error{ErrorCode::kMalformed, Origin::kLocal, Retry::kNever, "disk is damaged"});
  }
  void work() { fail_with(std::nullopt); }

  [[nodiscard]] std::vector<store::JournalRow> journal() const {
    const std::lock_guard lock(mutex_);
    return journal_;
  }
  [[nodiscard]] std::vector<store::EvidenceRow> evidence(const std::string& rollout,
                                                         std::uint64_t run) const {
    const std::lock_guard lock(mutex_);
    std::vector<store::EvidenceRow> rows;
    const auto found = evidence_.find({rollout, run});
    if (found == evidence_.end()) return rows;
    for (const auto& [index, row] : found->second) rows.push_back(row);
    return rows;
  }
  [[nodiscard]] std::uint64_t failed_writes() const {
    const std::lock_guard lock(mutex_);
    return failed_writes_;
  }
  // Waits until the store has done what it was asked so far; its completions still wait. So that
  // what the disk does next meets the same requests in every run.
  void catch_up(store::AsyncStore& store) {
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
  // Whether it was one.
  bool see_mark(std::uint64_t after) {
    const std::lock_guard lock(mutex_);
    if (after < kFirstMark) return false;
    mark_seen_ = after;
    caught_up_.notify_all();
    return true;
  }
  // What somebody else's tool does to the file.
  void damage_state(const std::string& text) {
    const std::lock_guard lock(mutex_);
    journal_.back().entry.state = text;
  }
  void damage_evidence(const std::string& rollout, std::uint64_t run, std::uint64_t index) {
    const std::lock_guard lock(mutex_);
    evidence_[{rollout, run}].at(index).values = {-1};
  }
  void change_evidence(const std::string& rollout,
                       std::uint64_t run,
                       std::uint64_t index,
                       std::size_t value,
                       std::int64_t to) {
    const std::lock_guard lock(mutex_);
    evidence_[{rollout, run}].at(index).values.at(value) = to;
  }
  void change_recorded(std::uint64_t id, const std::string& text) {
    const std::lock_guard lock(mutex_);
    journal_.at(id - 1).entry.evidence = text;
  }
  void lose_evidence(const std::string& rollout, std::uint64_t run, std::uint64_t index) {
    const std::lock_guard lock(mutex_);
    evidence_[{rollout, run}].erase(index);
  }

  Result<void> write(const store::Batch& batch) {
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
    return {};
  }
  std::vector<store::JournalRow> latest() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, store::JournalRow> last;
    for (const store::JournalRow& row : journal_) last[row.entry.rollout] = row;
    std::vector<store::JournalRow> rows;
    for (auto& [name, row] : last) rows.push_back(row);
    return rows;
  }
  std::uint64_t exposure_used(const std::string& rollout, std::uint64_t run) const {
    const std::lock_guard lock(mutex_);
    const auto found = exposure_.find({rollout, run});
    return found == exposure_.end() ? 0 : found->second;
  }
  std::uint64_t stable_idle(const std::string& rollout, std::uint64_t run) const {
    const std::lock_guard lock(mutex_);
    const auto found = idle_.find({rollout, run});
    return found == idle_.end() ? 0 : found->second;
  }
  std::vector<store::Comment> comments(const std::string& rollout) const {
    const std::lock_guard lock(mutex_);
    std::vector<store::Comment> found;
    for (const store::Comment& comment : comments_) {
      if (comment.rollout == rollout) found.push_back(comment);
    }
    return found;
  }
  Result<std::uint64_t> open_cursor(const std::string& reader) {
    const std::lock_guard lock(mutex_);
    if (failure_) return ::canaryd::fail(*failure_);
    return cursors_.emplace(reader, journal_.size()).first->second;
  }
  void drop(const std::string& rollout, std::uint64_t before_run) {
    const std::lock_guard lock(mutex_);
    std::erase_if(exposure_, [&](const auto& item) {
      return item.first.first == rollout && item.first.second < before_run;
    });
    std::erase_if(evidence_, [&](const auto& item) {
      return item.first.first == rollout && item.first.second < before_run;
    });
  }

 private:
  const store::JournalEntry* last_of(const std::string& rollout) const {
    for (auto row = journal_.rbegin(); row != journal_.rend(); ++row) {
      if (row->entry.rollout == rollout) return &row->entry;
    }
    return nullptr;
  }
  tl::unexpected<Error> contradiction() {
    ++failed_writes_;
    return ::canaryd::fail(ErrorCode::kRefused, "contradicts what is written");
  }

  static constexpr std::uint64_t kFirstMark = std::uint64_t{1} << 62U;

  mutable std::mutex mutex_;
  std::condition_variable caught_up_;
  std::uint64_t marks_ = 0;
  std::uint64_t mark_seen_ = 0;
  std::optional<Error> failure_;
  std::uint64_t failed_writes_ = 0;
  std::vector<store::JournalRow> journal_;
  std::map<std::pair<std::string, std::uint64_t>, std::map<std::uint64_t, store::EvidenceRow>>
      evidence_;
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> exposure_;
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> idle_;
  std::vector<store::Comment> comments_;
  std::map<std::string, std::uint64_t> cursors_;
};

class MemoryStore final : public store::Store {
 public:
  explicit MemoryStore(Disk& disk) : disk_(disk) {}

  Result<void> write(const store::Batch& batch) override { return disk_.write(batch); }
  Result<std::vector<store::JournalRow>> latest() override { return disk_.latest(); }
  Result<std::vector<store::JournalRow>> history(const store::HistoryQuery& query) override {
    std::vector<store::JournalRow> rows;
    if (disk_.see_mark(query.after.value_or(0))) return rows;
    for (store::JournalRow& row : disk_.journal()) {
      const bool wanted = query.rollout.empty() || row.entry.rollout == query.rollout;
      if (wanted && row.id > query.after.value_or(0)) rows.push_back(std::move(row));
    }
    return rows;
  }
  Result<std::vector<store::EvidenceRow>> evidence(const store::EvidenceQuery& query) override {
    std::vector<store::EvidenceRow> rows;
    for (store::EvidenceRow& row : disk_.evidence(query.rollout, query.run)) {
      if (rows.size() == query.limit) break;
      if (row.index >= query.from_index) rows.push_back(std::move(row));
    }
    return rows;
  }
  Result<std::uint64_t> exposure_used(const std::string& rollout, std::uint64_t run) override {
    return disk_.exposure_used(rollout, run);
  }
  Result<std::uint64_t> stable_idle(const std::string& rollout, std::uint64_t run) override {
    return disk_.stable_idle(rollout, run);
  }
  Result<std::vector<store::Comment>> comments(const std::string& rollout,
                                               std::size_t /*limit*/) override {
    return disk_.comments(rollout);
  }
  Result<std::uint64_t> open_cursor(const std::string& reader) override {
    return disk_.open_cursor(reader);
  }
  Result<store::Verification> verify_some(store::Verification so_far, std::size_t) override {
    so_far.done = true;
    return so_far;
  }
  Result<store::Pruned> prune(const store::PruneRule&, std::uint64_t) override {
    return store::Pruned{};
  }
  Result<void> drop_evidence(const std::string& rollout, std::uint64_t before_run) override {
    disk_.drop(rollout, before_run);
    return {};
  }

 private:
  Disk& disk_;
};

}  // namespace canaryd::test
