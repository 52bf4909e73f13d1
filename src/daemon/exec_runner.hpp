// Runs programs beside the control thread: a clean child each (standard input, output and error and
// no other descriptor, default signals, a process group of its own), whose end, output and time
// limit are waited for on the io_context.
//
// Thread rule: the control thread; it outlives the running of the context. Limit: kAtOnce programs
// at a time; further calls wait for one to end. Destroyed, it kills what still runs.
#pragma once

#include "canaryd/control/exec_io.hpp"

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::daemon {

class ExecRunner final : public control::ExecIo {
 public:
  static constexpr std::size_t kAtOnce = 8;

  // Programs run in `folder`; empty: where the daemon runs.
  ExecRunner(boost::asio::io_context& io, std::string folder)
      : io_(io), folder_(std::move(folder)) {}
  ~ExecRunner() override;

  void run(control::ExecCall call, Done done) override;

 private:
  struct Running;
  using RunningPointer = std::shared_ptr<Running>;

  void begin_next();
  void begin(const control::ExecCall& call, Done done);
  [[nodiscard]] Result<RunningPointer> spawn(const control::ExecCall& call);
  void watch(const RunningPointer& running);
  void read_output(const RunningPointer& running);
  void ended(const RunningPointer& running);
  void finish_if_over(const RunningPointer& running);

  boost::asio::io_context& io_;
  std::string folder_;
  std::vector<RunningPointer> running_;
  std::deque<std::pair<control::ExecCall, Done>> waiting_;
};

}  // namespace canaryd::daemon
