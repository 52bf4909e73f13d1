// The state directory, made if missing, and locked for as long as this lives.
//
// The lock is flock() on DIR/lock, so it goes with the process, however that ends; the file itself
// stays and holds the owner's process id for error messages. Should somebody remove it all the
// same, keep_lock() makes and locks it again. Thread rule: one owner.
#pragma once

#include "canaryd/base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace canaryd::store {

// A write-ahead log without its file, as a copy to a full disk leaves it: SQLite would take the
// file for a new one and delete the log.
[[nodiscard]] Result<void> check_log_has_its_file(const std::string& path);

// Which file it is, for as long as somebody has it open: another one that is put in its place later
// has another number.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t number = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};
[[nodiscard]] std::optional<FileId> file_at(const std::string& path);
// False only if it is known to be elsewhere, or gone.
[[nodiscard]] bool is_still_at(const std::string& path, const FileId& file);

class StateDir {
 public:
  [[nodiscard]] static Result<StateDir> open(const std::string& path);
  // Makes and changes nothing: for who only reads. Several may at a time, but none beside a daemon.
  [[nodiscard]] static Result<StateDir> open_to_read(const std::string& path);
  StateDir(StateDir&& other) noexcept;
  StateDir& operator=(StateDir&& other) noexcept;
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;
  ~StateDir();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // Without the file of the lock a second daemon would be let in. kRefused: it is there already.
  [[nodiscard]] Result<void> keep_lock();
  // Whether what SQLite keeps beside the file at `path` can be written, if it is there: its own
  // message names the file itself.
  [[nodiscard]] Result<void> check_companions(const std::string& path) const;
  // Makes sure that DIR/name exists, readable by its owner only.
  [[nodiscard]] Result<std::string> private_file(const std::string& name) const;

 private:
  StateDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_ = -1;
};

}  // namespace canaryd::store
