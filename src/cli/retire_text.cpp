#include "cli/retire_text.hpp"

#include "canaryd/base/text.hpp"
#include "cli/figures.hpp"
#include "cli/line.hpp"

#include <algorithm>

namespace canaryd::cli {
namespace {

constexpr std::size_t kStragglersMax = 100;

std::string printable(const std::string& text) {
  std::string out;
  append_printable(out, text);
  return out;
}

std::string straggler_line(JsonView straggler) {
  const std::string agent = straggler["user_agent"].text();
  return "  still used by " + straggler["client"].text() + " (" +
         (agent.empty() ? std::string("no User-Agent") : agent) + ") on route " +
         straggler["route"].text() + ", " + straggler["rule"].text() + ", " +
         format_count(straggler["requests"].number()) + " times, last at " +
         straggler["last"].text();
}

std::string list_of(JsonView names) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kStragglersMax); ++i) {
    out += (out.empty() ? "" : ", ") + names[i].text();
  }
  return out;
}

// `retire` is for that too, and then it has to wait for the end of a freeze.
bool may_call_hook_again(JsonView retire) {
  const std::string hook = retire["hook"].text();
  return hook == "failed" || hook == "unknown" || hook == "left_out";
}

}  // namespace

std::string straggler_lines(JsonView rollout, std::size_t most, const ScreenOptions& options) {
  const JsonView stragglers = rollout["retire"]["stragglers"];
  std::string out;
  for (std::size_t i = 0; i < std::min(stragglers.size(), most); ++i) {
    out += Line().add(straggler_line(stragglers[i])).finish(options);
  }
  return out;
}

std::string without_retirement(JsonView rollout) {
  if (rollout["retire"].is_object()) return {};
  return printable(rollout["name"].text() + " has no `retire` in its configuration");
}

std::string stuck_retirement(JsonView rollout) {
  const JsonView retire = rollout["retire"];
  const std::string name = rollout["name"].text();
  const std::string command = "`canaryctl retire " + name + "`";
  const std::string state = rollout["state"].text();
  if (state == "promoted" && !retire.is_object()) return without_retirement(rollout);
  if (state == "promoted" && rollout["mode"].text() == "observe") {
    return printable("mode observe retires nothing by itself; " + command + " gives " +
                     rollout["stable"].text() + " up once it is idle");
  }
  const bool window_over =
      state == "retiring" && retire["hook"].text() == "none" && retire["undo_until"].text().empty();
  // Of what waits for the journal alone nothing is known.
  const bool waits = rollout["journal_failing"].flag().value_or(false);
  if (window_over && !waits && !rollout["postponed"].text().empty()) {
    return printable(rollout["stable"].text() + " is not given up, since the file names it as " +
                     "stable; `canaryctl unretire " + name + "` brings it back");
  }
  if (state == "retiring" && retire["hook"].text() == "none" &&
      rollout["mode"].text() == "observe") {
    return printable("mode observe ends no retirement by itself; " + command + " gives " +
                     rollout["stable"].text() + " up once the time to undo it is over");
  }
  if (state == "promoted" && retire["kept"].flag().value_or(false)) {
    return printable(rollout["stable"].text() + " is kept by `unretire`; " + command +
                     " lets it go");
  }
  return state == "retiring" ? unfinished_retirement(rollout) : "";
}

std::string unfinished_retirement(JsonView rollout) {
  const JsonView retire = rollout["retire"];
  const std::string command = "`canaryctl retire " + rollout["name"].text() + "`";
  const std::string state = rollout["state"].text();
  const std::string hook = retire["hook"].text();
  if (state == "retiring" && hook == "failed") {
    return printable("the decommission hook failed (" + retire["said"].text() + "); " + command +
                     " calls it again");
  }
  if (state == "retiring" && hook == "unknown") {
    return printable("nobody knows whether the decommission hook ran; " + command +
                     " calls it again, with --skip-hook it is taken as done");
  }
  if (state == "retired" && hook == "left_out" && retire["needed_by"].size() == 0) {
    return printable("the decommission hook was left out, and nobody else needs " +
                     rollout["stable"].text() + " any more; " + command + " calls it");
  }
  return {};
}

RetireReport report_retirement(JsonView rollout) {
  const JsonView retire = rollout["retire"];
  const std::string name = rollout["name"].text();
  const std::string stable = rollout["stable"].text();
  if (!retire.is_object()) {
    return {printable(name + " has no `retire` in its configuration") + "\n", true};
  }
  const std::string state = rollout["state"].text();
  const std::string frozen = rollout["frozen_until"].text();
  if (state == "retiring" || state == "retired") {
    const std::string next = rollout["next"].text();
    const bool again = !frozen.empty() && may_call_hook_again(retire);
    // Then "next" says so.
    const bool window_over = state == "retiring" && retire["hook"].text() == "none" &&
                             retire["undo_until"].text().empty();
    return {printable(stable + " is " + state + (next.empty() ? "" : ": " + next) +
                      (again ? "; frozen until " + frozen : "")) +
                "\n",
            again || (window_over && !frozen.empty())};
  }
  if (state != "promoted") {
    return {printable("not retirable: " + name + " is " + state + ", not promoted") + "\n", true};
  }
  // Who it is matters more than a line that fits.
  const ScreenOptions whole{.columns = 10'000, .color = false, .utf8 = true};
  RetireReport report;
  report.blocked = retire["blocked"].flag().value_or(true) || !frozen.empty();
  std::string head = report.blocked ? "not retirable: " : "retirable: ";
  head +=
      stable + " has been idle for " + retire["idle"].text() + " of " + retire["idle_for"].text();
  if (const double open = retire["open"].number().value_or(0); open > 0) {
    head += ", " + format_count(open) + " requests or tunnels are open";
  }
  if (retire["kept"].flag().value_or(false)) head += "; kept by `unretire`";
  if (!frozen.empty()) head += "; frozen until " + frozen;
  report.text = printable(head) + "\n" + straggler_lines(rollout, kStragglersMax, whole);
  if (const std::string others = list_of(retire["needed_by"]);
      !others.empty() && retire["has_hook"].flag().value_or(false)) {
    report.text += printable("  the hook will be left out: needed by " + others) + "\n";
  }
  return report;
}

}  // namespace canaryd::cli
