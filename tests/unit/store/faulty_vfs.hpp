// Between SQLite and the system: a VFS (sqlite.org/vfs.html) that passes everything on but the n-th
// call.
//
// Thread rule: one thread at a time uses the plan, the store's or the test's.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>

namespace canaryd::store::test {

enum class Fault : std::uint8_t { kFull, kIo, kShort, kSync, kRead, kOpen, kLock, kShared };
enum class Call : std::uint8_t { kWrite, kSync, kRead, kOpen, kLock, kShared };

inline Call failing_call(Fault fault) {
  switch (fault) {
    case Fault::kFull:
    case Fault::kIo:
    case Fault::kShort:
      return Call::kWrite;
    case Fault::kSync:
      return Call::kSync;
    case Fault::kRead:
      return Call::kRead;
    case Fault::kOpen:
      return Call::kOpen;
    case Fault::kLock:
      return Call::kLock;
    case Fault::kShared:
      return Call::kShared;
  }
  return Call::kWrite;
}

struct FaultPlan {
  Fault fault = Fault::kFull;
  std::uint64_t at = 0;  // The n-th; 0: none.
  bool stays = false;    // And all after it.
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
};
inline FaultPlan plan;  // Of the VFS, which SQLite holds by its name.

inline bool fails(Call call) {
  if (call != failing_call(plan.fault)) return false;
  ++plan.calls;
  const bool due = plan.at != 0 && (plan.stays ? plan.calls >= plan.at : plan.calls == plan.at);
  if (!due) return false;
  ++plan.failed;
  return true;
}

struct File {
  sqlite3_file base;
  sqlite3_file* real;
};
inline sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real;
}

inline int write_or_fail(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
  sqlite3_file* const below = real(file);
  if (!fails(Call::kWrite)) return below->pMethods->xWrite(below, data, bytes, offset);
  if (plan.fault == Fault::kShort) {
    static_cast<void>(below->pMethods->xWrite(below, data, bytes / 2, offset));
  }
  return plan.fault == Fault::kIo ? SQLITE_IOERR_WRITE : SQLITE_FULL;
}
inline int truncate_or_fail(sqlite3_file* file, sqlite3_int64 size) {
  if (fails(Call::kWrite)) return SQLITE_IOERR_TRUNCATE;
  return real(file)->pMethods->xTruncate(real(file), size);
}
inline int sync_or_fail(sqlite3_file* file, int flags) {
  if (fails(Call::kSync)) return SQLITE_IOERR_FSYNC;
  return real(file)->pMethods->xSync(real(file), flags);
}

inline int close_file(sqlite3_file* file) {
  sqlite3_file* const below = real(file);
  return below->pMethods->xClose(below);
}

// All others go through.
inline const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods made = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;  // No memory mapping: every write is to be seen.
    m.xClose = close_file;
    m.xRead = [](sqlite3_file* f, void* to, int n, sqlite3_int64 at) {
      if (fails(Call::kRead)) return SQLITE_IOERR_READ;
      return real(f)->pMethods->xRead(real(f), to, n, at);
    };
    m.xWrite = write_or_fail;
    m.xTruncate = truncate_or_fail;
    m.xSync = sync_or_fail;
    m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
      return real(f)->pMethods->xFileSize(real(f), size);
    };
    m.xLock = [](sqlite3_file* f, int lock) {
      if (fails(Call::kLock)) return SQLITE_IOERR_LOCK;
      return real(f)->pMethods->xLock(real(f), lock);
    };
    m.xUnlock = [](sqlite3_file* f, int lock) { return real(f)->pMethods->xUnlock(real(f), lock); };
    m.xCheckReservedLock = [](sqlite3_file* f, int* held) {
      return real(f)->pMethods->xCheckReservedLock(real(f), held);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* argument) {
      return real(f)->pMethods->xFileControl(real(f), op, argument);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) {
      return real(f)->pMethods->xDeviceCharacteristics(real(f));
    };
    m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** to) {
      if (fails(Call::kShared)) return SQLITE_IOERR_SHMMAP;
      return real(f)->pMethods->xShmMap(real(f), page, size, extend, to);
    };
    m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
      // One that is given back always is.
      if ((flags & SQLITE_SHM_LOCK) != 0 && fails(Call::kLock)) return SQLITE_IOERR_SHMLOCK;
      return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
    };
    m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
    m.xShmUnmap = [](sqlite3_file* f, int remove) {
      return real(f)->pMethods->xShmUnmap(real(f), remove);
    };
    return m;
  }();
  return made;
}

// For as long as it lives it is what SQLite uses.
class FaultyVfs {
 public:
  FaultyVfs() : below_(sqlite3_vfs_find(nullptr)), vfs_(*below_) {
    vfs_.pNext = nullptr;
    vfs_.zName = "faulty";
    vfs_.pAppData = below_;
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + below_->szOsFile;
    vfs_.xOpen = open;
    EXPECT_EQ(sqlite3_vfs_register(&vfs_, 1), SQLITE_OK);
  }
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;
  ~FaultyVfs() {
    sqlite3_vfs_register(below_, 1);
    sqlite3_vfs_unregister(&vfs_);
  }

 private:
  static int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
    auto* const below = static_cast<sqlite3_vfs*>(vfs->pAppData);
    auto* const made = reinterpret_cast<File*>(file);
    made->base.pMethods = nullptr;
    if (fails(Call::kOpen)) return SQLITE_CANTOPEN;
    made->real = reinterpret_cast<sqlite3_file*>(made + 1);
    const int result = below->xOpen(below, name, made->real, flags, out);
    made->base.pMethods = made->real->pMethods == nullptr ? nullptr : &methods();
    return result;
  }

  sqlite3_vfs* below_;
  sqlite3_vfs vfs_;
};

}  // namespace canaryd::store::test
