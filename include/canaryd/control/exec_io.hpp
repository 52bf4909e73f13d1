// How control runs a program of the operator's while it goes on: hooks. The daemon does it on the
// control thread's io_context; the tests of this room answer by hand.
//
// Thread rule: the control thread, calls and callbacks. `done` runs later, once, never inside the
// call, and may be dropped uncalled when the process ends.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace canaryd::control {

// Of the program's input and of what is kept of its output.
inline constexpr std::size_t kExecBytesMax = std::size_t{32} * 1024;
inline constexpr std::size_t kExecOutputBytesMax = std::size_t{4} * 1024;

struct ExecCall {
  std::vector<std::string> command;  // A path relative to the configuration, or a name in PATH.
  std::string input;                 // Standard input; at most kExecBytesMax.
  Duration timeout{};                // Then it is killed, with all that it has started.
};

struct ExecResult {
  int status = 0;      // Exit code; 128 and the signal's number if one ended it.
  std::string output;  // Standard output and error, the first kExecOutputBytesMax.
};

class ExecIo {
 public:
  using Done = std::function<void(Result<ExecResult>)>;

  ExecIo() = default;
  ExecIo(const ExecIo&) = delete;
  ExecIo& operator=(const ExecIo&) = delete;
  virtual ~ExecIo() = default;

  // Errors: it could not be started; kTimeout.
  virtual void run(ExecCall call, Done done) = 0;
};

}  // namespace canaryd::control
