#include "store/state_dir.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace canaryd::store {
namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

bool is_permission(int number) {
  return number == EACCES || number == EPERM || number == EROFS;
}

tl::unexpected<Error> failure(const std::string& what, int number, const char* hint) {
  Error error;
  error.code = is_permission(number) ? ErrorCode::kPermission : ErrorCode::kIo;
  error.context = what + ": " + std::generic_category().message(number) + hint;
  return fail(std::move(error));
}

tl::unexpected<Error> system_failure(const std::string& what, int number) {
  const char* hint = is_permission(number)
                         ? "; give canaryd's user write access to it, or set state.dir"
                     : number == ENOSPC ? "; free space on the disk"
                                        : "";
  return failure(what, number, hint);
}

Result<void> make_directory(const std::string& path) {
  std::error_code error;
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) {
    return system_failure("cannot make directory " + parent.string(), error.value());
  }
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return system_failure("cannot make state directory " + path, errno);
  }
  if (!std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::kInvalidArgument, "state directory " + path + " is not a directory");
  }
  return {};
}

std::string owner_of(int lock) {
  std::array<char, 16> text{};
  const ssize_t length = ::pread(lock, text.data(), text.size(), 0);
  if (length <= 0) return "another process";
  long process = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + length, process);
  if (parsed.ec != std::errc() || process <= 0) return "another process";
  // Who only reads does not sign, so this may be who was here before.
  if (::kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH) return "another process";
  return "process " + std::to_string(process);
}

// For people only: if it cannot be written, the lock holds all the same.
void sign(int lock) {
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = ::pwrite(lock, text.data(), text.size(), 0);
}

// Not the directory's fault, if the file is there: another user may have made it.
tl::unexpected<Error> cannot_write(const std::string& directory, const std::string& lock_path) {
  const int number = errno;
  struct stat found {};
  const bool exists = ::lstat(lock_path.c_str(), &found) == 0;
  return system_failure(
      exists ? "cannot write " + lock_path : "cannot write in state directory " + directory,
      number);
}

FileId id_of(const struct stat& found) {
  return {static_cast<std::uint64_t>(found.st_dev), static_cast<std::uint64_t>(found.st_ino)};
}

Result<void> take(int lock, int how, const std::string& directory, const char* advice) {
  if (::flock(lock, how | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return system_failure("cannot lock " + directory + "/lock", errno);
  return fail(ErrorCode::kRefused,
              "state directory " + directory + " is in use by " + owner_of(lock) + "; " + advice);
}

}  // namespace

Result<StateDir> StateDir::open(const std::string& path) {
  if (path.empty()) return fail(ErrorCode::kInvalidArgument, "state directory: no path given");
  CANARYD_TRY(make_directory(path));
  const std::string lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (lock < 0) return cannot_write(path, lock_path);
  StateDir dir(path, lock);
  CANARYD_TRY(take(lock, LOCK_EX, path, "stop it, or give this one another state.dir"));
  sign(lock);
  return dir;
}

Result<StateDir> StateDir::open_to_read(const std::string& path) {
  const std::string lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  // A copy of the state, or one that was put back: no daemon has been here yet.
  if (lock < 0 && errno == ENOENT) return StateDir(path, -1);
  if (lock < 0) {
    const char* const hint = is_permission(errno) ? "; run this as canaryd's user, or root" : "";
    return failure("cannot read " + lock_path, errno, hint);
  }
  StateDir dir(path, lock);
  CANARYD_TRY(take(lock, LOCK_SH, path, "canaryctl history --verify asks that one"));
  return dir;
}

StateDir::StateDir(StateDir&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

StateDir& StateDir::operator=(StateDir&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

StateDir::~StateDir() {
  if (lock_ >= 0) ::close(lock_);
}

std::optional<FileId> file_at(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) return std::nullopt;
  return id_of(found);
}

bool is_still_at(const std::string& path, const FileId& file) {
  const auto found = file_at(path);
  // A directory that may not be searched any more says nothing of what is in it.
  return found ? *found == file : errno != ENOENT && errno != ENOTDIR;
}

Result<void> StateDir::keep_lock() {
  struct stat held {};
  if (::fstat(lock_, &held) != 0 || is_still_at(path_ + "/lock", id_of(held))) return {};
  auto again = open(path_);
  if (!again) {
    Error error = std::move(again).error();
    error.retry = Retry::kSafe;
    error.context =
        "the lock of the state has been removed or replaced under the daemon; " + error.context;
    return fail(std::move(error));
  }
  *this = std::move(*again);
  return {};
}

Result<void> check_log_has_its_file(const std::string& path) {
  const std::string log = path + "-wal";
  std::error_code error;
  const auto logged = std::filesystem::file_size(log, error);
  if (error || logged == 0) return {};
  const auto size = std::filesystem::file_size(path, error);
  const bool missing = error == std::errc::no_such_file_or_directory;
  if ((error && !missing) || (!error && size > 0)) return {};
  return fail(Error{ErrorCode::kMalformed,
                    Origin::kLocal,
                    Retry::kNever,
                    "state file " + path + (missing ? " is missing" : " is empty") + " beside " +
                        log + ", which is of no use without it; it is damaged and was left as it " +
                        "is: restore a copy, or move both away to begin with every rollout idle"});
}

Result<void> StateDir::check_companions(const std::string& path) const {
  for (const char* const suffix : {"-wal", "-shm"}) {
    const std::string each = path + suffix;
    const int file = ::open(each.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const int number = errno;
    if (file >= 0) ::close(file);
    if (file >= 0 || number == ENOENT) continue;
    struct stat found {};
    const bool known = is_permission(number) && ::lstat(each.c_str(), &found) == 0;
    if (!known || found.st_uid == ::geteuid())
      return system_failure("cannot write " + each, number);
    // As where somebody has run canaryd, or sqlite3, as root once.
    const std::string hint = "; it belongs to user " + std::to_string(found.st_uid) +
                             ", and canaryd is user " + std::to_string(::geteuid()) +
                             ": chown it to that one";
    return failure("cannot write " + each, number, hint.c_str());
  }
  return {};
}

Result<std::string> StateDir::private_file(const std::string& name) const {
  std::string path = path_ + "/" + name;
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (file < 0) return system_failure("cannot write " + path, errno);
  ::close(file);
  return path;
}

}  // namespace canaryd::store
