// A store on a thread of its own, so that control never waits for the disk.
//
// Requests are done one after the other in the order they came. Each has a completion, which is
// handed to the caller's executor exactly once (also when the queue is full or the store is
// stopping), never called inside the request and never on the store's thread unless the executor
// does so.
//
// Writes that wait one behind the other are made durable together, at the price of one: as many
// fsyncs are made as the disk can do, not as many as there are rollouts that begin a step at once.
// Each still succeeds or fails for itself, and is answered when the outcome of all is known; only
// if the disk fails do all of them fail, and none is in the journal. Behind a kUntilWritten write
// only a few rows of others are taken along.
//
// Keep::kUntilWritten is for what is in force already (a rollback): if the write fails, the
// completion says so and the rows are kept and go first into every later write, so that the journal
// has no gap. While rows are kept, a kOnce write (a rise) succeeds only together with them. Those
// that can never be written, or are too many, are given up, which nobody is told: who has to know
// writes them once more.
//
// Thread rule: any thread may call; stop() and the destructor by the owner only. Limits:
// queue_limit requests waiting or under way (twice as many where it is kUntilWritten), kept_limit
// rows kept (evidence rows are given up first, counted in dropped()).
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/store/store.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::store {

enum class Keep : std::uint8_t { kOnce, kUntilWritten };

class AsyncStore {
 public:
  using Executor = std::function<void(std::function<void()>)>;
  template <class T>
  using Done = std::function<void(Result<T>)>;

  struct Limits {
    std::size_t queue_limit = 1024;
    std::size_t kept_limit = 4096;
  };

  AsyncStore(std::unique_ptr<Store> store, Executor executor);
  AsyncStore(std::unique_ptr<Store> store, Executor executor, Limits limits);
  AsyncStore(const AsyncStore&) = delete;
  AsyncStore& operator=(const AsyncStore&) = delete;
  ~AsyncStore();  // stop().

  void write(Batch batch, Keep keep, Done<void> done);
  // Store::probe(): a failure of it counts as one of a write.
  void probe(Done<void> done);

  void latest(Done<std::vector<JournalRow>> done);
  void history(HistoryQuery query, Done<std::vector<JournalRow>> done);
  void evidence(EvidenceQuery query, Done<std::vector<EvidenceRow>> done);
  void exposure_used(std::string rollout, std::uint64_t run, Done<std::uint64_t> done);
  void comments(std::string rollout, std::size_t limit, Done<std::vector<Comment>> done);
  void open_cursor(std::string reader, Done<std::uint64_t> done);
  void verify_some(Verification so_far, std::size_t rows, Done<Verification> done);
  void drop_evidence(std::string rollout, std::uint64_t before_run, Done<void> done);
  void prune(PruneRule rule, std::uint64_t from_id, Done<Pruned> done);

  // Does what is queued, tries once more to write what is kept, ends the thread and closes the
  // store. Later requests complete with kClosed.
  void stop();

  // Rows kept and not written yet; evidence rows given up so far; writes that failed so far, those
  // that are tried again each time.
  [[nodiscard]] std::size_t kept() const noexcept;
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  [[nodiscard]] std::uint64_t failures() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canaryd::store
