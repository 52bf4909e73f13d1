// The history rows of a reload: whoever has asked for it is told once they are durable, as whoever
// gives a command is.
//
// The reload is in force meanwhile, and nothing waits for its rows: a journal that cannot be
// written says so at once, and one that hangs is given kAtMost, or until the daemon ends. What it
// does not have by then is named, and told no more.
//
// Thread rule: the control thread. Held by shared_ptr: runners keep it until they have answered.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/control/backend.hpp"
#include "control/runner.hpp"

#include <functional>
#include <memory>
#include <set>
#include <string>

namespace canaryd::control {

class AwaitedRows final : public std::enable_shared_from_this<AwaitedRows> {
 public:
  static constexpr Duration kAtMost = std::chrono::seconds(5);

  // Called once, with the rollouts whose rows are not durable.
  using Done = std::function<void(const std::set<std::string>& missing)>;

  // What the runner of this rollout is to answer; also if it then writes none. Before wait().
  [[nodiscard]] Runner::Done expect(const std::string& rollout);
  // `done` within the call if nothing is on its way any more.
  void wait(Monotonic until, Done done);
  // Once a second. False: there is nothing to wait for.
  bool look(Monotonic now);
  // Tells what there is to tell by now. False: there was nothing to wait for.
  bool give_up();

 private:
  void arrived(const std::string& rollout, const Runner::Answer& answer);
  void tell();

  std::set<std::string> open_;
  std::set<std::string> failed_;
  Monotonic until_{};
  Done done_;  // Empty before wait(), and once it was called.
};

// For whoever has reloaded.
[[nodiscard]] ConfigProblem unwritten_warning(const std::set<std::string>& missing);

}  // namespace canaryd::control
