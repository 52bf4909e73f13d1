#include "control/awaited_rows.hpp"

#include "control/controller_state.hpp"

#include <utility>

namespace canaryd::control {

Runner::Done AwaitedRows::expect(const std::string& rollout) {
  open_.insert(rollout);
  return [self = shared_from_this(), rollout](const Runner::Answer& answer) {
    self->arrived(rollout, answer);
  };
}

void AwaitedRows::wait(Monotonic until, Done done) {
  until_ = until;
  done_ = std::move(done);
  if (open_.empty()) tell();
}

bool AwaitedRows::look(Monotonic now) {
  if (done_ && now >= until_) tell();
  return static_cast<bool>(done_);
}

bool AwaitedRows::give_up() {
  if (!done_) return false;
  tell();
  return true;
}

// Where nothing has changed there is no row of this reload, but one of before may still be missing.
void AwaitedRows::arrived(const std::string& rollout, const Runner::Answer& answer) {
  if (answer.failed || !answer.durable) failed_.insert(rollout);
  open_.erase(rollout);
  if (done_ && open_.empty()) tell();
}

void AwaitedRows::tell() {
  const Done done = std::exchange(done_, nullptr);
  std::set<std::string> missing = failed_;
  missing.insert(open_.begin(), open_.end());
  done(missing);
}

ConfigProblem unwritten_warning(const std::set<std::string>& missing) {
  constexpr std::size_t kNamed = 10;
  std::string names;
  std::size_t count = 0;
  for (const std::string& name : missing) {
    if (++count <= kNamed) names += (names.empty() ? "" : ", ") + name;
  }
  if (count > kNamed) names += " and " + std::to_string(count - kNamed) + " more";
  ConfigProblem warning;
  warning.severity = "warning";
  warning.message = "the history does not have yet what is in force of " + names +
                    ": the journal cannot be written, or hangs; that is tried again";
  return warning;
}

void Controller::State::look_at_awaited_rows() {
  const Monotonic now = parts.clock->now();
  for (auto& rows : std::exchange(awaited_rows, {})) {
    if (rows->look(now)) awaited_rows.push_back(std::move(rows));
  }
}

bool Controller::answer_reloads() {
  bool any = false;
  for (const auto& rows : std::exchange(state_->awaited_rows, {})) any |= rows->give_up();
  return any;
}

}  // namespace canaryd::control
