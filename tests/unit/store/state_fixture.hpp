// A state directory of its own for each test, and rows as the machine makes them.
#pragma once

#include "canaryd/rollout/machine.hpp"
#include "canaryd/store/sqlite_store.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdlib.h>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::store::test {

// Makes a file one of schema 4, but for the version.
inline constexpr const char* kWithoutPruned =
    "DROP TABLE pruned; DROP TRIGGER journal_keeps;"
    "CREATE TRIGGER journal_keeps BEFORE DELETE ON journal"
    "  BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;";

class StateFixture : public ::testing::Test {
 protected:
  StateFixture() {
    std::string pattern = ::testing::TempDir() + "canaryd-store-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~StateFixture() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] std::string dir() const { return root_ + "/state"; }
  [[nodiscard]] std::string file() const { return dir() + "/state.db"; }

  [[nodiscard]] Result<std::unique_ptr<Store>> open(std::uint32_t pages_max = 0) const {
    return open_sqlite_store(SqliteOptions{dir(), pages_max});
  }

  // What somebody else's tool does to the file.
  void tamper(const std::string& sql) const {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &handle), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK)
        << (message != nullptr ? message : "");
    sqlite3_free(message);
    sqlite3_close(handle);
  }

  std::string root_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// Journal rows of a rollout that is paused and resumed again and again, and ended now and then.
class Journalist {
 public:
  explicit Journalist(std::string name = "checkout") {
    plan_.name = std::move(name);
    plan_.stable = "v1";
    plan_.canary = "v2";
    state_ = rollout::initial_state(plan_, now_);
  }
  JournalEntry next() {
    rollout::Event event;
    if (state_.phase == rollout::Phase::kIdle) {
      event.what = rollout::Start{};
    } else if (state_.phase == rollout::Phase::kAborted) {
      event.what = rollout::Retry{};
    } else if (state_.phase == rollout::Phase::kPaused) {
      event.what = rollout::Resume{};
    } else {
      event.what = rollout::Pause{};
    }
    return take(std::move(event));
  }
  JournalEntry end() {
    rollout::Event event;
    event.what = rollout::Abort{};
    return take(std::move(event));
  }
  [[nodiscard]] const rollout::State& state() const { return state_; }

 private:
  JournalEntry take(rollout::Event event) {
    now_ += std::chrono::seconds(1);
    event.actor = "anna";
    event.reason = "because \"ü\"";
    const rollout::Transition transition = rollout::step(plan_, state_, event, now_);
    state_ = transition.state;
    return entry_of(transition);
  }

  rollout::Plan plan_;
  rollout::State state_;
  WallTime now_{std::chrono::seconds(1'767'607'200)};
};

inline Batch batch_of(JournalEntry entry) {
  Batch batch;
  batch.entries.push_back(std::move(entry));
  return batch;
}

inline EvidenceRow block(std::uint64_t index, std::uint64_t run = 1) {
  return {"checkout", run, index, EvidenceKind::kBlock, {static_cast<std::int64_t>(index), 5, -7}};
}

}  // namespace canaryd::store::test
