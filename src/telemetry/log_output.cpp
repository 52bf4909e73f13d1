#include "telemetry/log_output.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace canaryd::telemetry {
namespace {

constexpr int kPollMs = 100;
constexpr int kHurriedPolls = 20;

void close_unless_standard(int fd) noexcept {
  if (fd > STDERR_FILENO) ::close(fd);
}

std::uint64_t lines_in(std::string_view text) noexcept {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

// As many whole lines as fit; one line at least.
std::string_view whole_lines(std::string_view lines, std::size_t bytes_max) noexcept {
  if (lines.size() <= bytes_max) return lines;
  const std::size_t last = lines.rfind('\n', bytes_max - 1);
  return lines.substr(0, (last == std::string_view::npos ? lines.find('\n') : last) + 1);
}

}  // namespace

Result<int> open_log_file(const std::string& path) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (fd >= 0) return fd;
  const ErrorCode code =
      errno == EACCES || errno == EPERM ? ErrorCode::kPermission : ErrorCode::kIo;
  return fail(code, "cannot open access log " + path + ": " + std::strerror(errno));
}

LogOutput::LogOutput(int fd, std::size_t piece_max) : fd_(-1), piece_max_(piece_max) {
  adopt(fd);
}

LogOutput::~LogOutput() {
  close_unless_standard(replacement_.exchange(-1));
  close_unless_standard(fd_);
}

void LogOutput::replace(int fd) noexcept {
  close_unless_standard(replacement_.exchange(fd));
}

void LogOutput::adopt(int fd) noexcept {
  close_unless_standard(fd_);
  fd_ = fd;
  line_open_ = false;
  struct stat status {};
  regular_ = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
}

// Not in the middle of a line.
void LogOutput::take_replacement() noexcept {
  if (line_open_) return;
  if (const int next = replacement_.exchange(-1); next >= 0) adopt(next);
}

LogOutput::Outcome LogOutput::write(std::string_view lines) {
  // What is half out at the old place stays half.
  if (const int next = replacement_.exchange(-1); next >= 0) adopt(next);
  Outcome outcome;
  while (!lines.empty()) {
    const std::string_view piece = regular_ ? lines : whole_lines(lines, piece_max_);
    lines.remove_prefix(piece.size());
    if (write_piece(piece, outcome)) continue;
    outcome.lost += lines_in(lines);
    break;
  }
  return outcome;
}

bool LogOutput::write_piece(std::string_view piece, Outcome& outcome) {
  // So that the next line begins on one of its own.
  if (line_open_ && wait_until_writable() && ::write(fd_, "\n", 1) == 1) line_open_ = false;
  while (!piece.empty()) {
    if (!regular_ && !wait_until_writable()) {
      outcome.error = errno;
      break;
    }
    const ssize_t written = ::write(fd_, piece.data(), piece.size());
    if (written > 0) {
      line_open_ = piece[static_cast<std::size_t>(written) - 1] != '\n';
      piece.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      outcome.error = errno;
      break;
    }
  }
  outcome.lost += lines_in(piece);
  return piece.empty();
}

// A pipe that polls writable has room for PIPE_BUF bytes: a piece of that size does not block.
bool LogOutput::wait_until_writable() noexcept {
  while (true) {
    take_replacement();
    if (regular_) return true;
    pollfd entry{fd_, POLLOUT, 0};
    const int ready = ::poll(&entry, 1, hurried_polls_ >= kHurriedPolls ? 0 : kPollMs);
    if (ready > 0) {
      errno = EPIPE;
      return (entry.revents & (POLLERR | POLLNVAL)) == 0;
    }
    if (ready < 0 && errno != EINTR) return false;
    if (!hurry_.load(std::memory_order_relaxed)) continue;
    if (++hurried_polls_ < kHurriedPolls) continue;
    errno = 0;
    return false;
  }
}

}  // namespace canaryd::telemetry
