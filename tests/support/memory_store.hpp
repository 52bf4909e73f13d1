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
  void fail_with(std::optional<Error> error);
  void fail();
  void fail_for_good();
  void work();
  // The same, and it is known before anything is written; until work().
  void go_missing();
  Result<void> probe() const;

  [[nodiscard]] std::vector<store::JournalRow> journal() const;
  [[nodiscard]] std::vector<store::EvidenceRow> evidence(const std::string& rollout,
                                                         std::uint64_t run) const;
  [[nodiscard]] std::uint64_t failed_writes() const;
  // Waits until the store has done what it was asked so far; its completions still wait. So that
  // what the disk does next meets the same requests in every run.
  void catch_up(store::AsyncStore& store);
  // Whether it was one.
  bool see_mark(std::uint64_t after);
  // What somebody else's tool does to the file.
  void damage_state(const std::string& text);
  void damage_evidence(const std::string& rollout, std::uint64_t run, std::uint64_t index);
  void change_evidence(const std::string& rollout,
                       std::uint64_t run,
                       std::uint64_t index,
                       std::size_t value,
                       std::int64_t to);
  void change_recorded(std::uint64_t id, const std::string& text);
  void lose_evidence(const std::string& rollout, std::uint64_t run, std::uint64_t index);

  Result<void> write(const store::Batch& batch);
  std::vector<store::JournalRow> latest() const;
  std::uint64_t exposure_used(const std::string& rollout, std::uint64_t run) const;
  std::uint64_t stable_idle(const std::string& rollout, std::uint64_t run) const;
  std::vector<store::Comment> comments(const std::string& rollout) const;
  Result<std::uint64_t> open_cursor(const std::string& reader);

 private:
  const store::JournalEntry* last_of(const std::string& rollout) const;
  tl::unexpected<Error> contradiction();
  void drop(const store::EvidenceDrop& dropped);

  static constexpr std::uint64_t kFirstMark = std::uint64_t{1} << 62U;

  mutable std::mutex mutex_;
  std::condition_variable caught_up_;
  std::uint64_t marks_ = 0;
  std::uint64_t mark_seen_ = 0;
  std::optional<Error> failure_;
  bool missing_ = false;
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
  explicit MemoryStore(Disk& disk);

  Result<void> write(const store::Batch& batch) override;
  Result<std::vector<store::JournalRow>> latest() override;
  Result<std::vector<store::JournalRow>> history(const store::HistoryQuery& query) override;
  Result<std::vector<store::EvidenceRow>> evidence(const store::EvidenceQuery& query) override;
  Result<std::uint64_t> exposure_used(const std::string& rollout, std::uint64_t run) override;
  Result<std::uint64_t> stable_idle(const std::string& rollout, std::uint64_t run) override;
  Result<std::vector<store::Comment>> comments(const std::string& rollout,
                                               std::size_t /*limit*/) override;
  Result<std::uint64_t> open_cursor(const std::string& reader) override;
  Result<store::Verification> verify_some(store::Verification so_far, std::size_t) override;
  Result<store::Pruned> prune(const store::PruneRule&, std::uint64_t) override;
  Result<void> probe() override;

 private:
  Disk& disk_;
};

}  // namespace canaryd::test
