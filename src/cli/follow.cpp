#include "cli/follow.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/cli/status_screen.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"
#include "cli/retire_text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

namespace canaryd::cli {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);
// How long wait bears a daemon that is away, if it was there before, or busy: a restart takes less.
constexpr Duration kAwayLimit = std::chrono::minutes(2);
// When the time of a wait is over it looks once more, and so long at most.
constexpr Duration kLastLook = std::chrono::seconds(1);

bool is_interrupted(const Environment& environment) {
  return environment.interrupted && environment.interrupted();
}

// Redraws in place by going up as many lines as the last frame had. What is typed would move the
// cursor, so it is not shown while this lives.
class Terminal {
 public:
  explicit Terminal(Environment& environment) : environment_(environment) {}
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (environment_.show_typing) environment_.show_typing(true);
  }

  // `wraps`: what is longer than a row goes on in the next one; else it is cut.
  void show(const std::string& frame, bool wraps) {
    if (environment_.show_typing) environment_.show_typing(false);
    const int columns = std::max(environment_.columns(), 1);
    if (columns != columns_ && rows_ > 0) {
      environment_.out << "\x1b[2J\x1b[H";  // Lines of the old width may have wrapped.
    } else if (rows_ > 0) {
      environment_.out << "\x1b[" << rows_ << "A\r";
    }
    columns_ = columns;
    rows_ = 0;
    // Cursor-up stops at the top: a frame must leave a row for the cursor.
    const int rows = environment_.rows() > 0 ? std::max(environment_.rows() - 1, 1) : kAnyNumber;
    std::string painted;
    for (std::string line : lines_for(frame, wraps ? kAnyNumber : rows)) {
      if (rows_ == rows) break;
      // Of the last one as much as has room.
      line = cut_to_width(line, wraps ? columns * (rows - rows_) : columns);
      const int width = width_on_screen(line);
      rows_ += std::max((width + columns - 1) / columns, 1);
      // What stands there is overwritten, and only the rest of each line erased: nothing is blank
      // in between, which one would see as a flicker. Behind a full row there is no rest: some
      // terminals would erase its last character.
      painted += line + (width > 0 && width % columns == 0 ? "\n" : "\x1b[K\n");
    }
    environment_.out << painted << "\x1b[J" << std::flush;
  }

 private:
  static constexpr int kAnyNumber = 10'000;  // The terminal does not say how many rows it has.

  // As many as have room; the last one says how many have none.
  [[nodiscard]] std::vector<std::string> lines_for(const std::string& frame, int rows) const {
    std::vector<std::string> lines;
    for (std::size_t begin = 0; begin < frame.size();) {
      const std::size_t end = std::min(frame.find('\n', begin), frame.size());
      lines.push_back(frame.substr(begin, end - begin));
      begin = end + 1;
    }
    const auto room = static_cast<std::size_t>(rows);
    if (lines.size() <= room || room < 2) return lines;
    const std::size_t left_out = lines.size() - (room - 1);
    lines.resize(room - 1);
    lines.push_back((environment_.utf8 ? "  … " : "  .. ") + std::to_string(left_out) + " more");
    return lines;
  }

  Environment& environment_;
  int rows_ = 0;  // Of the last frame.
  int columns_ = 0;
};

// What a watch says while there is nothing new to show.
std::string away_text(const Failure& failure) {
  return failure.again ? "busy, retrying\n" : "not reachable, retrying\n";
}

// Whether to ask again: for who `was_there` before, and after an answer that passes by itself.
bool may_pass(const Failure& failure, bool was_there) {
  return failure.again || (failure.exit_code == kExitUnreachable && was_there);
}

enum class Phase { kGoingOn, kReached, kRolledBack, kAborted, kStopped };

// What a state means for wait. "stopped" is any state that the rollout does not leave by itself;
// then the exit code says which. A gate or a pause is somebody's intention to go on, so --for
// promoted waits through it.
Phase judge(JsonView rollout, const std::string& target) {
  const std::string state = rollout["state"].text();
  // It is the state of the rollout before the one that the file means. A retired one does not go
  // back to its stable version, so that one never begins.
  if (!rollout["postponed"].text().empty()) {
    const bool stuck = state == "retiring" && !stuck_retirement(rollout).empty();
    return stuck || state == "retired" ? Phase::kStopped : Phase::kGoingOn;
  }
  if (state == "retired") return Phase::kReached;
  const bool promoted = state == "promoted" || state == "retiring";
  if (promoted && target != "retired") return Phase::kReached;
  if (promoted) return stuck_retirement(rollout).empty() ? Phase::kGoingOn : Phase::kStopped;
  if (state == "rolled_back") return Phase::kRolledBack;
  if (state == "aborted") return Phase::kAborted;
  if (target == "retired" && !without_retirement(rollout).empty()) return Phase::kStopped;
  // Held for these reasons it waits for an operator; for the others it goes on by itself.
  const std::string reason = rollout["reason"].text();
  const bool for_operator = reason == "inconclusive" || reason == "verdict";
  if (state == "held" && for_operator) return Phase::kStopped;
  // Paused since then: whoever did that cannot go on either.
  const bool condemned = rollout["condemned"].flag().value_or(false);
  if (state == "paused" && condemned) return Phase::kStopped;
  // A freeze ends by itself, and a hook is asked again; under observe nothing follows from that.
  const bool by_hand =
      rollout["mode"].text() == "observe" && (reason == "freeze" || reason == "hook");
  const bool at_gate = (state == "waiting" && reason == "gate") ||
                       ((state == "waiting" || state == "held") && by_hand);
  if (target == "stopped" && (state == "paused" || state == "idle" || at_gate)) {
    return Phase::kStopped;
  }
  return Phase::kGoingOn;
}

int exit_code_of(Phase phase) {
  switch (phase) {
    case Phase::kRolledBack:
      return kExitRolledBack;
    case Phase::kAborted:
      return kExitAborted;
    case Phase::kStopped:
      return kExitStopped;
    case Phase::kReached:
    case Phase::kGoingOn:
      break;
  }
  return kExitDone;
}

struct Poll {
  Phase phase = Phase::kGoingOn;
  std::string line;
  std::string advice;   // What to do, or what is in the way; empty: the line says enough.
  std::string missing;  // Of kGoingOn: what is still to come of it.
};

// Only what a crash does not undo is an outcome.
constexpr std::string_view kUnstored =
    "in force, but not in the journal yet, so a crash of the daemon would undo it";

std::string postponed_text(JsonView rollout) {
  std::string out;
  append_printable(out, rollout["postponed"].text());
  return out;
}

Outcome<Poll> poll(const Daemon& daemon,
                   const Options& options,
                   bool utf8,
                   std::optional<Duration> left) {
  if (left) left = std::max(*left, kLastLook);
  const auto response = daemon.get("/api/v1/rollouts/" + options.rollout, left);
  if (!response) return tl::unexpected(response.error());
  const auto document = parse_json(response->body);
  const auto line = render_line(response->body, {.columns = 1000, .color = false, .utf8 = utf8});
  if (!document || !line)
    return tl::unexpected(Failure{kExitFailed, "the answer is not a rollout"});
  const JsonView rollout(*document);
  Poll polled{judge(rollout, options.target), *line, {}, postponed_text(rollout)};
  if (polled.phase != Phase::kGoingOn && rollout["durable"].flag() == false) {
    polled.phase = Phase::kGoingOn;
    polled.missing = kUnstored;
    if (rollout["journal_failing"].flag().value_or(false)) polled.advice = kUnstored;
  }
  if (polled.phase == Phase::kStopped) {
    polled.advice = polled.missing.empty() ? stuck_retirement(rollout) : polled.missing;
    if (options.target == "retired" && polled.advice.empty()) {
      polled.advice = without_retirement(rollout);
    }
  }
  return polled;
}

}  // namespace

int watch(const std::function<Outcome<Frame>()>& draw, Environment& environment) {
  const bool in_place = environment.out_is_terminal && !environment.is_dumb;
  Terminal terminal(environment);
  Frame last;
  std::string away;  // Empty: the daemon answers.
  Duration pause = kInterval;
  if (!environment.wait(Duration::zero())) return kExitDone;
  do {
    const auto frame = draw();
    if (!frame && is_interrupted(environment)) break;
    if (!frame && !may_pass(frame.error(), !last.full.empty())) {
      environment.err << "canaryctl: " << frame.error().message << '\n';
      return frame.error().exit_code;
    }
    const std::string now_away = frame ? std::string() : away_text(frame.error());
    const bool changed = now_away != away || (frame && frame->line != last.line);
    away = now_away;
    pause = frame ? kInterval : frame.error().again.value_or(kInterval);
    if (frame) last = *frame;
    if (in_place) {
      terminal.show(away.empty() ? last.full : "  " + away + last.full, last.wraps);
    } else if (changed) {
      // A terminal without a cursor has each frame below the last one.
      const std::string shown = environment.out_is_terminal ? last.full + '\n' : last.line;
      environment.out << (away.empty() ? shown : away) << std::flush;
    }
  } while (environment.wait(pause));
  return kExitDone;
}

int wait_for_outcome(const Daemon& daemon, const Options& options, Environment& environment) {
  const Monotonic begin = environment.clock.now();
  Monotonic last_seen = begin;
  std::string last_line;
  std::string last_advice;
  const auto left = [&]() -> std::optional<Duration> {
    if (!options.timeout) return std::nullopt;
    return *options.timeout - (environment.clock.now() - begin);
  };
  Duration pause = kInterval;
  do {
    const auto polled = poll(daemon, options, environment.utf8, left());
    const Monotonic now = environment.clock.now();
    if (!polled && is_interrupted(environment)) break;
    const bool over = options.timeout && now - begin >= *options.timeout;
    std::string why;
    pause = kInterval;
    if (polled) {
      last_seen = now;
      if (polled->line != last_line) environment.out << polled->line << std::flush;
      last_line = polled->line;
      if (!polled->advice.empty() && polled->advice != last_advice) {
        environment.err << "canaryctl: " << polled->advice << '\n';
      }
      last_advice = polled->advice;
      if (polled->phase != Phase::kGoingOn) return exit_code_of(polled->phase);
      if (!polled->missing.empty()) why = ": " + polled->missing;
    } else {
      const Failure& failure = polled.error();
      const bool goes_on = may_pass(failure, !last_line.empty()) && now - last_seen < kAwayLimit;
      const bool cut_short = over && failure.exit_code == kExitTimeout;
      if (!goes_on && !cut_short) {
        environment.err << "canaryctl: " << failure.message << '\n';
        return failure.exit_code;
      }
      why = ": " + failure.message;
      pause = failure.again.value_or(kInterval);
    }
    if (over) {
      environment.err << "canaryctl: not " << options.target << " after "
                      << format_duration(*options.timeout) << why << '\n';
      return kExitTimeout;
    }
    pause = std::min(pause, std::max(left().value_or(pause), Duration::zero()));
  } while (environment.wait(pause));
  environment.err << "canaryctl: interrupted\n";
  return kExitFailed;
}

}  // namespace canaryd::cli
