#include "canaryd/analysis/parity.hpp"

#include "canaryd/analysis/metric.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace canaryd::analysis {
namespace {

// Against a limit nothing is tolerated besides, and one read moves a bet by no more than it does.
constexpr Tolerance kNone{.relative = 0, .absolute = 0};
constexpr double kNoGuard = 1e9;

AcceptAccount fresh_shown() noexcept {
  return {kNone, 1};
}

RollbackAccount fresh_differs() noexcept {
  return {kNone, kNoGuard};
}

// What no room is left for.
const std::string kOtherPaths = "(other paths)";
const ParityField kOtherFields{ParityField::Kind::kValue, "(other fields)", kOtherPaths};

std::vector<ParityTally> most_frequent(std::vector<ParityTally> tallies,
                                       std::uint64_t ParityTally::*by) {
  std::sort(tallies.begin(), tallies.end(), [by](const ParityTally& one, const ParityTally& other) {
    return one.*by != other.*by ? one.*by > other.*by : one.field < other.field;
  });
  if (tallies.size() > Parity::kTold) tallies.resize(Parity::kTold);
  return tallies;
}

}  // namespace

std::string_view to_string(ParityState state) noexcept {
  switch (state) {
    case ParityState::kGathering:
      return "gathering";
    case ParityState::kShown:
      return "shown";
    case ParityState::kDifferent:
      return "different";
  }
  return "gathering";
}

Parity::Parity(ParitySettings settings)
    : settings_(std::move(settings)), shown_(fresh_shown()), differs_(fresh_differs()) {}

void Parity::absorb(const stats::ParityRead& read) {
  const auto& headers = settings_.headers;
  const IgnoredFields& ignored = settings_.ignored;
  const Differences noise = compare_answers(read.stable, read.again, headers, ignored);
  const Differences canary = compare_answers(read.stable, read.canary, headers, ignored);
  if (!noise.compared || !canary.compared || noise.cut) {
    ++not_compared_;
    return;
  }
  const bool different = take(canary, noise, known_path(read.path));
  if (learnt_ < kLearning) {
    ++learnt_;
    return;
  }
  // What was left out may have been more than noise.
  if (!different && canary.cut) {
    ++not_compared_;
    return;
  }
  judge(different);
}

const std::string& Parity::known_path(const std::string& path) {
  const auto found = paths_.find(path);
  if (found != paths_.end()) return *found;
  return paths_.size() < kPathsMax ? *paths_.insert(path).first : kOtherPaths;
}

Parity::Counts& Parity::counts_of(ParityField field, const std::string& path) {
  field.path = path;
  const auto found = fields_.find(field);
  if (found != fields_.end()) return found->second;
  return fields_[fields_.size() < kFieldsMax ? field : kOtherFields];
}

// Whether the canary differs in a field that nothing excuses, by what was known before this read.
bool Parity::take(const Differences& canary, const Differences& noise, const std::string& path) {
  bool different = false;
  for (const ParityField& field : canary.fields) {
    if (noise.fields.contains(field)) continue;
    Counts& counts = counts_of(field, path);
    different = different || !counts.excuses();
    ++counts.canary;
    ++counts.now;
  }
  for (const ParityField& field : noise.fields) ++counts_of(field, path).stable;
  return different;
}

void Parity::judge(bool different) {
  for (ParityFigures* const figures : {&now_, &total_}) {
    ++figures->compared;
    if (different) ++figures->different;
  }
  MetricCounts counts;
  counts.canary_n = 1;
  counts.canary_bad = different ? 1 : 0;
  const MetricCounts bet = against_limit(counts, settings_.max_diff);
  shown_.absorb(bet);
  // Time means nothing here: a second for each read lets the reserve be bet in the same way.
  differs_.absorb(bet, 1);
  const bool differs = differs_.ln_evidence() >= -std::log(kDifferentAlpha);
  if (differs && state_ != ParityState::kDifferent) enter(ParityState::kDifferent);
  if (now_.compared < settings_.min_requests) return;
  if (differs) return conclude(ParityState::kDifferent);
  if (shown_.ln_evidence() >= boundary()) conclude(ParityState::kShown);
}

void Parity::enter(ParityState state) noexcept {
  state_ = state;
  concluded_ = now_;
}

void Parity::conclude(ParityState state) {
  enter(state);
  ++round_;
  now_ = {};
  for (auto& [field, counts] : fields_) counts.before = std::exchange(counts.now, 0);
  shown_ = fresh_shown();
  differs_ = fresh_differs();
}

double Parity::boundary() const noexcept {
  return std::log(round_ * (round_ + 1) / kShownAlpha);
}

ParityReport Parity::report() const {
  ParityReport report;
  report.state = state_;
  report.concluded = concluded_;
  report.now = now_;
  report.total = total_;
  report.evidence = std::clamp(shown_.ln_evidence() / boundary(), 0.0, 1.0);
  const auto needed = shown_.requests_needed(boundary());
  const std::uint64_t least =
      settings_.min_requests - std::min(settings_.min_requests, now_.compared);
  // One read of n is a bet of max_diff n against the limit.
  if (needed) {
    const double reads = std::ceil(*needed / settings_.max_diff);
    report.needs_requests = std::max(least, static_cast<std::uint64_t>(std::min(reads, 1e15)));
  }
  report.learnt_from = learnt_;
  report.not_compared = not_compared_;
  for (const auto& [field, counts] : fields_) {
    const ParityTally tally{field, counts.now + counts.before, counts.stable};
    if (tally.canary > 0 && !counts.excuses()) {
      report.fields.push_back(tally);
    } else if (tally.stable > 0) {
      report.noise.push_back(tally);
    }
  }
  report.fields = most_frequent(std::move(report.fields), &ParityTally::canary);
  report.noise = most_frequent(std::move(report.noise), &ParityTally::stable);
  return report;
}

}  // namespace canaryd::analysis
