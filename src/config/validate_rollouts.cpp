// Rollouts that wait for each other, and rules of their gates and freezes.
#include "canaryd/config/needs.hpp"
#include "config/codec.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace canaryd::config {
namespace {

bool goes_with(const Config& config, std::size_t one, std::size_t other) {
  const std::string& group = config.rollouts[one].plan.group;
  return one != other && !group.empty() && config.rollouts[other].plan.group == group;
}

bool waits_for_end_of(const Config& config, std::size_t one, std::size_t other) {
  const auto& after = config.rollouts[one].after;
  return after && after->index() == other;
}

// The shortest way from one rollout to another, each of which cannot begin before the next: that of
// its `after`, and all of its group. Both ends are in it; empty: there is none.
std::vector<std::size_t> way_between(const Config& config, std::size_t from, std::size_t to) {
  std::map<std::size_t, std::size_t> came_from{{from, from}};
  std::vector<std::size_t> reached{from};
  for (std::size_t next = 0; next < reached.size() && !came_from.contains(to); ++next) {
    const std::size_t at = reached[next];
    for (std::size_t other = 0; other < config.rollouts.size(); ++other) {
      if (!waits_for_end_of(config, at, other) && !goes_with(config, at, other)) continue;
      if (came_from.emplace(other, at).second) reached.push_back(other);
    }
  }
  if (!came_from.contains(to)) return {};
  std::vector<std::size_t> way{to};
  while (way.back() != from) way.push_back(came_from[way.back()]);
  std::reverse(way.begin(), way.end());
  return way;
}

// From the `after` of a rollout back to it, over `after` and groups; each circle is told once, at
// its first `after` in the file.
void check_circles(const Config& config, Reader& in) {
  std::set<std::size_t> told;
  for (std::size_t begin = 0; begin < config.rollouts.size(); ++begin) {
    const Rollout& first = config.rollouts[begin];
    if (!first.after || told.contains(begin)) continue;
    const std::size_t awaited = first.after->index();
    // Itself: the plan's own rules say so. One of its own group: check_groups does.
    if (awaited == begin || goes_with(config, begin, awaited)) continue;
    const std::vector<std::size_t> way = way_between(config, awaited, begin);
    std::string text = first.name;
    std::size_t at = begin;
    for (const std::size_t next : way) {
      text += waits_for_end_of(config, at, next) ? " after " : " with ";
      text += config.rollouts[next].name;
      at = next;
    }
    if (way.empty()) continue;
    told.insert(way.begin(), way.end());
    const std::string path = "rollouts." + first.name + ".after";
    in.error_at_value(path, path + ": none of them would ever start: " + text);
  }
}

void check_people(const rollout::Step& step, const std::string& path, Reader& in) {
  if (in.is_bad(path)) return;
  const auto& of = step.approvals.of;
  for (auto name = of.begin(); name != of.end(); ++name) {
    if (std::find(of.begin(), name, *name) == name) continue;
    in.error_at(path, path + ": " + quoted(*name) + " is listed already");
  }
}

// They go step by step, so they need the same steps.
void check_groups(const Config& config, Reader& in) {
  std::map<std::string, const Rollout*> first;
  std::map<std::string, std::size_t> sizes;
  for (const Rollout& rollout : config.rollouts) {
    const std::string& group = rollout.plan.group;
    const std::string path = "rollouts." + rollout.name + ".group";
    if (group.empty() || in.is_bad("rollouts." + rollout.name)) continue;
    ++sizes[group];
    const auto [known, fresh] = first.emplace(group, &rollout);
    const auto& steps = rollout.plan.steps;
    const auto& others = known->second->plan.steps;
    const bool same = std::equal(
        steps.begin(), steps.end(), others.begin(), others.end(), [](const auto& a, const auto& b) {
          return a.weight == b.weight;
        });
    if (!same) {
      in.error_at_value(path,
                        path + ": the weights of the steps differ from those of " +
                            quoted(known->second->name) + ", with which it is to go in lockstep");
    }
    if (rollout.plan.start == rollout::StartMode::kAfter && rollout.after &&
        config.rollout(*rollout.after).plan.group == group) {
      in.error_at_value(path,
                        path + ": it would wait for the end of " +
                            quoted(config.rollout(*rollout.after).name) +
                            ", which waits for it at each step");
    }
  }
  for (const auto& [group, size] : sizes) {
    const std::string path = "rollouts." + first[group]->name + ".group";
    if (size == 1) in.warn_at(path, path + ": nobody else is in the group " + quoted(group));
  }
}

// The hook would end what others are still sent to.
void check_retirements(const Config& config, Reader& in) {
  for (std::size_t i = 0; i < config.rollouts.size(); ++i) {
    const Rollout& rollout = config.rollouts[i];
    if (!rollout.retire || !rollout.retire->hook) continue;
    // Whoever retires the same version as well gives it up in the end.
    const auto others = others_that_need_stable(
        config, i, [](const Rollout& other) { return other.retire.has_value(); });
    if (others.empty()) continue;
    const std::string path = "rollouts." + rollout.name + ".retire.hook";
    in.warn_at(path,
               path + ": it is not called as long as " + others.front() + " needs " +
                   quoted(rollout.plan.stable));
  }
}

}  // namespace

void check_rollouts_together(const Config& config, Reader& in) {
  for (const Rollout& rollout : config.rollouts) {
    if (!is_name(rollout.name)) continue;
    const std::string path = "rollouts." + rollout.name;
    for (std::size_t i = 0; i < rollout.plan.steps.size(); ++i) {
      check_people(rollout.plan.steps[i], path + ".steps[" + std::to_string(i) + "].gate", in);
    }
  }
  if (in.is_bad("rollouts")) return;
  check_circles(config, in);
  check_groups(config, in);
  if (!in.is_bad("routes")) check_retirements(config, in);
}

}  // namespace canaryd::config
