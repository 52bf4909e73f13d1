#include "store/state_dir.hpp"

#include <array>
#include <cerrno>
#include <charconv>
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

tl::unexpected<Error> system_failure(const std::string& what, int number) {
  const bool permission = number == EACCES || number == EPERM || number == EROFS;
  const char* hint = permission ? "; give canaryd's user write access to it, or set state.dir"
                     : number == ENOSPC ? "; free space on the disk"
                                        : "";
  Error error;
  error.code = permission ? ErrorCode::kPermission : ErrorCode::kIo;
  error.context = what + ": " + std::generic_category().message(number) + hint;
  return fail(std::move(error));
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
  return "process " + std::to_string(process);
}

// For people only: if it cannot be written, the lock holds all the same.
void sign(int lock) {
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = ::pwrite(lock, text.data(), text.size(), 0);
}

}  // namespace

Result<StateDir> StateDir::open(const std::string& path) {
  if (path.empty()) return fail(ErrorCode::kInvalidArgument, "state directory: no path given");
  CANARYD_TRY(make_directory(path));
  const std::string lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (lock < 0) return system_failure("cannot write in state directory " + path, errno);
  StateDir dir(path, lock);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_failure("cannot lock " + lock_path, errno);
    return fail(ErrorCode::kRefused,
                "state directory " + path + " is in use by " + owner_of(lock) +
                    "; stop it, or give this one another state.dir");
  }
  sign(lock);
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

Result<std::string> StateDir::private_file(const std::string& name) const {
  std::string path = path_ + "/" + name;
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (file < 0) return system_failure("cannot write " + path, errno);
  ::close(file);
  return path;
}

}  // namespace canaryd::store
