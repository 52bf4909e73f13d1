// Where the writer of the access log puts its lines: a descriptor that may be full, broken, or not
// read by anybody. Private to the room.
//
// Thread rule: one thread, except replace() and hurry().
#pragma once

#include "canaryd/base/error.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace canaryd::telemetry {

class LogOutput {
 public:
  // Takes the descriptor, unless it is one of the standard ones. `piece_max` is what a pipe takes
  // in one piece.
  LogOutput(int fd, std::size_t piece_max);
  LogOutput(const LogOutput&) = delete;
  LogOutput& operator=(const LogOutput&) = delete;
  ~LogOutput();

  // Whole lines, with the last newline. Returns how many were lost, and why.
  struct Outcome {
    std::uint64_t lost = 0;
    int error = 0;  // errno; 0: the reader of a pipe does not read, and we are in a hurry.
  };
  [[nodiscard]] Outcome write(std::string_view lines);

  // From the next line on, also for a write that waits for a reader of the old one.
  void replace(int fd) noexcept;
  // From now on a reader that does not read holds us up for two seconds in all.
  void hurry() noexcept { hurry_.store(true, std::memory_order_relaxed); }

 private:
  void adopt(int fd) noexcept;
  void take_replacement() noexcept;
  [[nodiscard]] bool wait_until_writable() noexcept;
  [[nodiscard]] bool write_piece(std::string_view piece, Outcome& outcome);

  int fd_;
  const std::size_t piece_max_;
  bool regular_ = false;    // A file takes pieces of any size.
  bool line_open_ = false;  // Half a line is out, and the rest never will be.
  int hurried_polls_ = 0;
  std::atomic<int> replacement_{-1};
  std::atomic<bool> hurry_{false};
};

// For appending; made if it is not there, readable by owner and group.
[[nodiscard]] Result<int> open_log_file(const std::string& path);

}  // namespace canaryd::telemetry
