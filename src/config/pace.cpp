// `pace`: the steps between those that are listed.
#include "config/validate.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace canaryd::config {
namespace {

bool rises(const std::vector<rollout::Step>& steps) {
  return std::is_sorted(steps.begin(), steps.end(), [](const auto& a, const auto& b) {
    return a.weight <= b.weight;
  });
}

// What is paced when no step is listed.
std::vector<rollout::Step> ends_of(Pace pace) {
  std::vector<rollout::Step> ends(2);
  ends[0].weight = BasisPoints(pace == Pace::kLinear ? 1000 : 100);
  ends[1].weight = BasisPoints(BasisPoints::kMax);
  return ends;
}

}  // namespace

void add_paced_steps(Rollout& rollout) {
  std::vector<rollout::Step>& steps = rollout.plan.steps;
  if (rollout.pace == Pace::kEvidence) return;
  if (steps == rollout::default_steps()) steps = ends_of(rollout.pace);
  // What is wrong with the steps is said of those that are listed.
  if (!rises(steps) || steps.front().weight.value() == 0) return;
  std::vector<rollout::Step> paced;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    paced.push_back(steps[i]);
    if (i + 1 == steps.size()) break;
    // The gate is at the end of the step that it is listed with.
    rollout::Step between = steps[i];
    between.gate.clear();
    between.approvals = {};
    const std::uint64_t listed = steps[i].weight.value();
    const std::uint64_t end = steps[i + 1].weight.value();
    for (std::uint64_t weight = listed * 2; weight < end && paced.size() <= rollout::kMaxSteps;
         weight += rollout.pace == Pace::kLinear ? listed : weight) {
      between.weight = BasisPoints(static_cast<unsigned>(weight));
      paced.push_back(between);
    }
  }
  steps = std::move(paced);
}

}  // namespace canaryd::config
