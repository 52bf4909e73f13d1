#include "transition_table.hpp"

#include "every_event.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::rollout::test {
namespace {

constexpr std::string_view kBegin = "<!-- Printed by tools/gen_rollout_states: begin -->\n";
constexpr std::string_view kEnd = "<!-- Printed by tools/gen_rollout_states: end -->\n";

// Drawn as one box: what leads from each of them to the same place is one arrow.
constexpr std::string_view kBox = "under_way";
constexpr std::array kUnderWay{Phase::kProgressing,
                               Phase::kSuspended,
                               Phase::kPaused,
                               Phase::kWaiting,
                               Phase::kHeld,
                               Phase::kBaking};

using Words = std::set<std::string>;

// What leads from one phase to another.
struct Ways {
  Words commands;
  Words reasons;  // What happens by itself.
  void add(const Ways& more) {
    commands.insert(more.commands.begin(), more.commands.end());
    reasons.insert(more.reasons.begin(), more.reasons.end());
  }
};
using Table = std::map<std::pair<Phase, Phase>, Ways>;

// Other versions, which a reload or a restart may bring.
Plan another_rollout() {
  Plan plan = plan_with({1, 100});
  plan.revision = "3.0.0";
  plan.retire = RetirePlan{};
  return plan;
}

// One of each phase; each of them suspended, for where that leads back to; and the last step.
std::vector<State> states_to_ask() {
  const Plan plan = plan_with({1, 5, 10, 25, 100});
  std::vector<State> states = one_of_each_phase();
  for (const State& state : one_of_each_phase()) {
    const Event opened{CircuitOpened{Trip::kCircuit}, "data plane", "", ""};
    Transition result = step(plan, state, opened, later(state.since, Duration(1s)));
    if (result.state.phase == Phase::kSuspended && state.phase != Phase::kSuspended) {
      states.push_back(std::move(result.state));
    }
  }
  states.push_back(in_phase(Phase::kProgressing).state);
  states.back().step = plan.steps.size() - 1;
  states.back().weight = plan.steps.back().weight;
  return states;
}

Table ask_everything() {
  std::vector<Plan> plans = all_plans();
  plans.push_back(another_rollout());
  Table table;
  for (const State& state : states_to_ask()) {
    for (const Duration time : {Duration(0), Duration(10s), Duration(30h)}) {
      if (time == Duration(10s) && !has_a_clock(state.phase)) continue;
      const WallTime at = later(state.since, time);
      for (const Event& event : every_event(at)) {
        for (const Plan& plan : plans) {
          if (is_beside_the_point(plan, state, event)) continue;
          const Transition result = step(plan, state, event, at);
          if (result.outcome != Outcome::kChanged) continue;
          Ways& ways = table[{result.change.from, result.change.to}];
          if (is_command(event)) {
            ways.commands.emplace(name_of(event));
          } else {
            ways.reasons.emplace(to_string(result.change.cause));
          }
        }
      }
    }
  }
  return table;
}

std::string joined(const Words& words, std::string_view quote) {
  std::string out;
  for (const std::string& word : words) {
    out += out.empty() ? "" : ", ";
    out += quote;
    out += word;
    out += quote;
  }
  return out;
}

bool is_under_way(Phase phase) {
  return std::find(kUnderWay.begin(), kUnderWay.end(), phase) != kUnderWay.end();
}

// What leads out of the box from each phase in it, which is taken out of the table.
std::map<Phase, Ways> take_out_of_box(Table& table) {
  std::map<Phase, Ways> out;
  for (const Phase to : kPhases) {
    const bool by_all =
        !is_under_way(to) && std::all_of(kUnderWay.begin(), kUnderWay.end(), [&](Phase from) {
          return table.contains({from, to});
        });
    if (!by_all) continue;
    for (const Phase from : kUnderWay) {
      out[to].add(table.at({from, to}));
      table.erase({from, to});
    }
  }
  return out;
}

std::string arrow(std::string_view from, std::string_view to, const Ways& ways) {
  Words words = ways.reasons;
  words.insert(ways.commands.begin(), ways.commands.end());
  return std::string(from) + " --> " + std::string(to) + ": " + joined(words, "") + "\n";
}

std::string render_diagram(Table table) {
  const std::map<Phase, Ways> out_of_box = take_out_of_box(table);
  std::string out =
      "```mermaid\nstateDiagram-v2\n  [*] --> idle\n  state " + std::string(kBox) + " {\n";
  std::string outside;
  for (const auto& [ends, ways] : table) {
    const auto& [from, to] = ends;
    if (from == to) continue;
    const bool inside = is_under_way(from) && is_under_way(to);
    (inside ? out : outside) +=
        (inside ? "    " : "  ") + arrow(to_string(from), to_string(to), ways);
  }
  out += "  }\n" + outside;
  for (const auto& [to, ways] : out_of_box) out += "  " + arrow(kBox, to_string(to), ways);
  return out + "  retired --> [*]\n```\n";
}

std::string render_table(const Table& table) {
  std::string out =
      "| From | To | Commands | By itself, with this reason |\n| --- | --- | --- | --- |\n";
  for (const auto& [ends, ways] : table) {
    out += "| `" + std::string(to_string(ends.first)) + "` | `" +
           std::string(to_string(ends.second)) + "` | " + joined(ways.commands, "`") + " | " +
           joined(ways.reasons, "`") + " |\n";
  }
  return out;
}

}  // namespace

std::string render_transitions() {
  static const Table table = ask_everything();
  return render_diagram(table) + "\n" + render_table(table);
}

std::string with_transitions(const std::string& document) {
  const std::size_t begin = document.find(kBegin);
  const std::size_t end = document.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return document.substr(0, begin + kBegin.size()) + "\n" + render_transitions() + "\n" +
         document.substr(end);
}

}  // namespace canaryd::rollout::test
