#include "store/migrations.hpp"

#include <array>
#include <string>

namespace canaryd::store {
namespace {

// "cnry": in the file's header, so that a wrong path is noticed.
constexpr std::uint64_t kApplicationId = 0x636e7279;

// Entry i brings version i to version i + 1. Never change one that was released: add one.
constexpr std::array<const char*, 5> kMigrations{R"sql(
  CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    rollout TEXT NOT NULL,
    generation INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    event TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    step INTEGER NOT NULL,
    weight_before INTEGER NOT NULL,
    weight_after INTEGER NOT NULL,
    cause TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    sentence TEXT NOT NULL,
    state TEXT NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (rollout, generation)
  ) STRICT;
  CREATE TRIGGER journal_stays BEFORE UPDATE ON journal
    BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
  CREATE TRIGGER journal_keeps BEFORE DELETE ON journal
    BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
  CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id INTEGER NOT NULL,
    hash BLOB NOT NULL
  ) STRICT;
  INSERT INTO head VALUES (1, 0, zeroblob(32));
  CREATE TABLE evidence (
    rollout TEXT NOT NULL,
    run INTEGER NOT NULL,
    place INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (rollout, run, place)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE exposure (
    rollout TEXT NOT NULL,
    run INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (rollout, run)
  ) STRICT, WITHOUT ROWID;
)sql",
                                                 R"sql(
  CREATE TABLE comments (
    rollout TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    place INTEGER NOT NULL,
    cohort TEXT NOT NULL,
    score INTEGER NOT NULL,
    actor TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (rollout, at_ms, place)
  ) STRICT, WITHOUT ROWID;
)sql",
                                                 R"sql(
  CREATE TABLE reader (
    name TEXT PRIMARY KEY,
    id INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
)sql",
                                                 R"sql(
  CREATE TABLE stable_idle (
    rollout TEXT NOT NULL,
    run INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,
    PRIMARY KEY (rollout, run)
  ) STRICT, WITHOUT ROWID;
)sql",
                                                 R"sql(
  CREATE TABLE pruned (
    first_id INTEGER PRIMARY KEY,
    last_id INTEGER NOT NULL,
    hash BLOB NOT NULL
  ) STRICT;
  DROP TRIGGER journal_keeps;
  CREATE TRIGGER journal_keeps BEFORE DELETE ON journal
    WHEN coalesce((SELECT last_id FROM pruned WHERE first_id <= OLD.id
                   ORDER BY first_id DESC LIMIT 1), 0) < OLD.id
    BEGIN SELECT raise(ABORT, 'the journal is append-only'); END;
)sql"};

}  // namespace

Result<void> check_identity(Database& database) {
  CANARYD_TRY_ASSIGN(const std::uint64_t application,
                     database.query_integer("PRAGMA application_id"));
  CANARYD_TRY_ASSIGN(const std::uint64_t version, database.query_integer("PRAGMA user_version"));
  CANARYD_TRY_ASSIGN(const std::uint64_t tables,
                     database.query_integer("SELECT count(*) FROM sqlite_schema"));
  const bool is_new = application == 0 && version == 0 && tables == 0;
  if (!is_new && application != kApplicationId) {
    return fail(ErrorCode::kUnsupported,
                "state file " + database.path() +
                    " is a database of another program and was left as it is; set state.dir to a "
                    "directory of canaryd's own");
  }
  if (version > kMigrations.size()) {
    return fail(ErrorCode::kUnsupported,
                "state file " + database.path() + " has schema " + std::to_string(version) +
                    ", written by a later canaryd; this one knows " +
                    std::to_string(kMigrations.size()) +
                    ": run the later version, or set another state.dir");
  }
  return {};
}

Result<void> migrate(Database& database) {
  CANARYD_TRY_ASSIGN(const std::uint64_t version, database.query_integer("PRAGMA user_version"));
  if (version == kMigrations.size()) return {};

  CANARYD_TRY_ASSIGN(Transaction transaction, Transaction::begin(database));
  for (std::size_t i = version; i < kMigrations.size(); ++i) {
    CANARYD_TRY(database.execute(kMigrations.at(i)));
  }
  CANARYD_TRY(database.execute("PRAGMA application_id = " + std::to_string(kApplicationId)));
  CANARYD_TRY(database.execute("PRAGMA user_version = " + std::to_string(kMigrations.size())));
  return transaction.commit();
}

}  // namespace canaryd::store
