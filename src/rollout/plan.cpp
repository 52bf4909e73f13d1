#include "canaryd/rollout/plan.hpp"

#include "canaryd/base/units.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace canaryd::rollout {
namespace {

constexpr Duration kMaxDuration = std::chrono::hours(24) * 10'000;

// The grammar of names in docs/interfaces.md: [a-z0-9]([a-z0-9-]*[a-z0-9])?, up to 63.
bool is_name(std::string_view text) noexcept {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (text.empty() || text.size() > 63) return false;
  if (!alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
}

class Problems {
 public:
  void add(std::string path, std::string message) {
    found_.push_back({std::move(path), std::move(message)});
  }
  void check_name(const std::string& path, const std::string& name) {
    if (!is_name(name)) {
      add(path, "a name is lower-case letters, digits and inner dashes, at most 63");
    }
  }
  void check_text(const std::string& path, const std::string& text) {
    if (text.size() > kMaxText) add(path, "at most " + std::to_string(kMaxText) + " bytes");
  }
  void check_duration(const std::string& path, Duration value, bool zero_allowed) {
    if (value < Duration::zero() || (value == Duration::zero() && !zero_allowed)) {
      add(path, zero_allowed ? "must not be negative" : "must be above 0s");
    }
    if (value > kMaxDuration) add(path, "is at most 10000d");
  }
  std::vector<PlanProblem> take() && { return std::move(found_); }

 private:
  std::vector<PlanProblem> found_;
};

void check_approvals(const Step& step, const std::string& path, Problems& out) {
  const Approvals& rule = step.approvals;
  if (step.gate.empty() && rule != Approvals{}) {
    out.add(path + "gate", "approvals need a gate with a name");
  }
  if (rule.needed == 0 || rule.needed > kMaxApprovals) {
    out.add(path + "gate", "needs 1 to " + std::to_string(kMaxApprovals) + " approvals");
  }
  if (!rule.of.empty() && rule.of.size() < rule.needed) {
    out.add(path + "gate",
            "needs " + std::to_string(rule.needed) + " approvals, and only " +
                std::to_string(rule.of.size()) + " people may give one");
  }
  for (const std::string& name : rule.of) out.check_text(path + "gate", name);
  out.check_duration(path + "gate", rule.expires, true);
}

void check_step(const Plan& plan, std::size_t index, Problems& out) {
  const Step& step = plan.steps[index];
  const std::string path = "steps[" + std::to_string(index) + "].";
  if (step.weight.value() == 0) out.add(path + "weight", "must be above 0");
  if (index > 0) {
    const BasisPoints before = plan.steps[index - 1].weight;
    if (step.weight <= before) {
      out.add(path + "weight",
              "must be above the step before it (" + format_percent(before) + " %)");
    } else if (before >= full_weight(plan)) {
      out.add(path + "weight",
              "cannot be reached: the step before it is at " + format_percent(before) +
                  " %, and bake.holdback keeps " + format_percent(plan.bake.holdback) +
                  " % on stable");
    }
  }
  out.check_duration(path + "min_duration", step.min_duration, true);
  out.check_duration(path + "max_duration", step.max_duration, false);
  if (step.max_duration < step.min_duration) {
    out.add(path + "max_duration",
            "is below min_duration (" + format_duration(step.min_duration) + ")");
  }
  if (!step.gate.empty()) out.check_name(path + "gate", step.gate);
  check_approvals(step, path, out);
}

void check_freeze(const Plan& plan, Problems& out) {
  constexpr std::chrono::minutes kDay = std::chrono::hours(24);
  for (std::size_t i = 0; i < plan.freeze.size(); ++i) {
    const FreezeWindow& window = plan.freeze[i];
    const std::string path = "freeze[" + std::to_string(i) + "]";
    if ((window.days & kEveryDay) == 0) out.add(path + ".days", "needs at least one day");
    const bool in_day = window.from >= window.from.zero() && window.from < kDay &&
                        window.to > window.to.zero() && window.to <= kDay;
    if (!in_day) out.add(path, "from is 00:00 to 23:59, to is 00:01 to 24:00");
    if (window.from == window.to) out.add(path, "is empty: it ends when it begins");
  }
  if (plan.freeze.size() > kMaxFreezeWindows) {
    out.add("freeze", "at most " + std::to_string(kMaxFreezeWindows) + " windows");
  } else if (is_always_frozen(plan.freeze)) {
    out.add("freeze", "leaves no time at which a weight may rise");
  }
}

void check_start(const Plan& plan, Problems& out) {
  if (plan.start != StartMode::kAfter) {
    if (!plan.after.empty()) out.add("after", "goes with start: after");
    return;
  }
  if (plan.after.empty()) return out.add("start", "needs after: NAME, another rollout");
  out.check_name("after", plan.after);
  if (plan.after == plan.name) out.add("after", "is this rollout itself");
}

}  // namespace

std::string_view to_string(StartMode value) noexcept {
  switch (value) {
    case StartMode::kAuto:
      return "auto";
    case StartMode::kManual:
      return "manual";
    case StartMode::kAfter:
      return "after";
  }
  return "auto";
}

std::string_view to_string(OnFailure value) noexcept {
  switch (value) {
    case OnFailure::kRollback:
      return "rollback";
    case OnFailure::kHold:
      return "hold";
    case OnFailure::kStepDown:
      return "step_down";
  }
  return "rollback";
}

std::string_view to_string(OnInconclusive value) noexcept {
  switch (value) {
    case OnInconclusive::kHold:
      return "hold";
    case OnInconclusive::kRollback:
      return "rollback";
    case OnInconclusive::kPromote:
      return "promote";
  }
  return "hold";
}

std::string_view to_string(OnStableDown value) noexcept {
  return value == OnStableDown::kSpill ? "spill" : "hold";
}

std::string_view to_string(Mode value) noexcept {
  return value == Mode::kEnforce ? "enforce" : "observe";
}

std::vector<Step> default_steps() {
  std::vector<Step> steps(5);
  constexpr std::array<unsigned, 5> kWeights{100, 500, 1000, 2500, 10000};
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i].weight = BasisPoints(kWeights[i]);
  return steps;
}

std::vector<PlanProblem> problems(const Plan& plan) {
  Problems out;
  out.check_name("name", plan.name);
  out.check_name("stable", plan.stable);
  out.check_name("canary", plan.canary);
  if (plan.stable == plan.canary) out.add("canary", "is the same upstream as stable");
  out.check_text("revision", plan.revision);
  out.check_text("salt", plan.salt);
  if (plan.steps.empty()) out.add("steps", "needs at least one step");
  if (plan.steps.size() > kMaxSteps) {
    out.add("steps", "at most " + std::to_string(kMaxSteps) + " steps");
    return std::move(out).take();
  }
  for (std::size_t i = 0; i < plan.steps.size(); ++i) check_step(plan, i, out);
  check_start(plan, out);
  check_freeze(plan, out);
  out.check_duration("bake.duration", plan.bake.duration, true);
  if (plan.bake.holdback.value() == BasisPoints::kMax) {
    out.add("bake.holdback", "must be below 100");
  }
  return std::move(out).take();
}

BasisPoints full_weight(const Plan& plan) noexcept {
  return BasisPoints(static_cast<unsigned>(BasisPoints::kMax - plan.bake.holdback.value()));
}

BasisPoints step_weight(const Plan& plan, std::size_t index) noexcept {
  return std::min(plan.steps[index].weight, full_weight(plan));
}

std::size_t step_at(const Plan& plan, BasisPoints weight) noexcept {
  std::size_t index = 0;
  while (index + 1 < plan.steps.size() && step_weight(plan, index + 1) <= weight) ++index;
  return index;
}

std::optional<std::size_t> step_above(const Plan& plan, BasisPoints weight) noexcept {
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (step_weight(plan, i) > weight) return i;
  }
  return std::nullopt;
}

BasisPoints weight_above(const Plan& plan, BasisPoints weight) noexcept {
  if (const auto next = step_above(plan, weight)) return step_weight(plan, *next);
  // The end: full_weight() first, and everybody after the bake.
  return weight < full_weight(plan) ? full_weight(plan) : BasisPoints(BasisPoints::kMax);
}

}  // namespace canaryd::rollout
