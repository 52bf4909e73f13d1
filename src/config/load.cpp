#include "canaryd/config/load.hpp"

#include "config/fields.hpp"
#include "config/tree_edit.hpp"
#include "config/validate.hpp"
#include "config/yaml_scan.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::config {
namespace {

// Ids are positions in the file, so that references can be resolved before their targets are read.
std::vector<std::string> keys_of(const Node& root, std::string_view section) {
  std::vector<std::string> keys;
  if (const Node::Entry* entry = root.find(section)) {
    for (const Node::Entry& named : entry->value.entries) keys.push_back(named.key);
  }
  return keys;
}

// Values that follow from others.
void complete(Config& config) {
  for (Rollout& rollout : config.rollouts) {
    add_paced_steps(rollout);
    if (rollout.cohort.salt.empty()) rollout.cohort.salt = rollout.name;
    rollout.plan.name = rollout.name;
    rollout.plan.salt = rollout.cohort.salt;
    rollout.plan.mode = rollout.analysis.mode == analysis::Mode::kObserve ? rollout::Mode::kObserve
                                                                          : rollout::Mode::kEnforce;
    for (const analysis::Watch& watch : rollout.analysis.watch) {
      for (const std::string& value : watch.values) {
        rollout.analysis.segments.push_back(analysis::segment_name(watch.header, value));
      }
    }
    const auto name_of = [&config](UpstreamId id) {
      return id.index() < config.upstreams.size() ? config.upstreams[id.index()].name : "";
    };
    if (rollout.after && rollout.after->index() < config.rollouts.size()) {
      rollout.plan.after = config.rollouts[rollout.after->index()].name;
    }
    rollout.plan.asks_before_step =
        std::any_of(rollout.hooks.begin(),
                    rollout.hooks.end(),
                    [](const Hook& hook) { return hook.has(HookOn::kBeforeStep); }) ||
        !rollout.plan.group.empty() || rollout.parity.has_value();
    if (const auto& retire = rollout.retire) {
      rollout.plan.retire = rollout::RetirePlan{
          retire->idle_for, retire->drain, retire->undo, retire->hook.has_value()};
    }
    rollout.plan.stable = name_of(rollout.stable);
    rollout.plan.canary = name_of(rollout.canary);
  }
  for (const Route& route : config.routes) {
    for (const RolloutId rollout : route.rollouts()) {
      if (rollout.index() >= config.rollouts.size()) continue;
      auto& routes = config.rollouts[rollout.index()].analysis.routes;
      if (routes.size() < analysis::Settings::kMaxRoutes) routes.push_back(route.name);
    }
  }
}

}  // namespace

LoadResult load(const LoadInput& input) {
  Report report(input);
  Tree tree = parse_yaml(input.text);
  for (TreeProblem& problem : tree.problems) {
    report.add(
        Severity::kError, problem.place, std::move(problem.message), std::move(problem.hint));
  }
  LoadResult result;
  if (tree.root) {
    apply_overrides(*tree.root, input, report);
    expand_variables(*tree.root, input, report);
    merge_defaults(*tree.root, report);
    Reader reader(report, {keys_of(*tree.root, "upstreams"), keys_of(*tree.root, "rollouts")});
    Config config;
    root_section().read(reader, *tree.root, config);
    complete(config);
    validate(config, input.learned, reader);
    result.config = std::move(config);
  }
  // What is missing is in there, and what is wrong may be; a file that is valid without it has
  // another meaning.
  if (tree.root) {
    // In a valid file what is further in may be a text of several lines, as of JSON.
    const bool broken = report.has_errors();
    if (const auto& quote = broken ? tree.keys_in_quotes : tree.siblings_in_quotes) {
      report.add(
          broken ? Severity::kError : Severity::kWarning, *quote, kRunawayQuote, kMissingQuote);
    }
  }
  result.problems = report.take();
  if (count_errors(result.problems) > 0) result.config.reset();
  return result;
}

std::optional<std::pair<std::string, std::string>> split_override(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

}  // namespace canaryd::config
