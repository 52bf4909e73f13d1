// The store in one SQLite file: state_dir/state.db, write-ahead log, synchronous=FULL.
//
// Opening makes the directory if it is missing (mode 0700), takes the lock file state_dir/lock so
// that a second daemon is refused, checks the file, brings an older schema up to date and makes
// sure that it can write. A file that is damaged, foreign or of a later version is an error that
// names the path and what to do; it is never deleted, overwritten or repaired. Nothing is written
// into a file that was removed, moved or replaced since: it would be gone with the process.
//
// Thread rule: one thread at a time; the lock is held until destruction.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/store/store.hpp"

#include <memory>
#include <string>

namespace canaryd::store {

struct SqliteOptions {
  std::string state_dir;
  // Upper bound of the database file in pages of 4 KiB; 0: as large as the disk.
  std::uint32_t pages_max = 0;
};

// kRefused: another daemon has it. kPermission: cannot be written. kMalformed: damaged.
// kUnsupported: of a later version, or not ours. kIo: the disk is full or fails.
[[nodiscard]] Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options);

// Checks the journal of a daemon that is down, or a copy; changes and makes nothing, and needs to
// read only. `wanted` is a fresh verification. kNotFound: there is none; else as above.
[[nodiscard]] Result<Verification> verify_state_file(const std::string& state_dir,
                                                     Verification wanted);

}  // namespace canaryd::store
