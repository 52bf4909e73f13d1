#include "control/parity.hpp"

#include <array>
#include <cstdio>
#include <utility>

namespace canaryd::control {
namespace {

using analysis::ParityReport;
using analysis::ParityState;
using analysis::ParityTally;

std::string subject_of(const config::Rollout& rollout) {
  return rollout.plan.stable + '\n' + rollout.plan.canary + '\n' + rollout.plan.revision;
}

analysis::ParitySettings settings_of(const config::Parity& asked) {
  analysis::ParitySettings settings;
  settings.max_diff = asked.max_diff;
  settings.min_requests = asked.min_requests;
  settings.headers = asked.headers;
  settings.ignored = analysis::IgnoredFields(asked.ignore);
  return settings;
}

std::string percent_text(double share) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g %%", 100 * share);
  return text.data();
}

std::string names_of(const std::vector<ParityTally>& fields) {
  std::string names;
  for (const ParityTally& each : fields) {
    names += (names.empty() ? "" : ", ") + analysis::text_of(each.field);
  }
  return names;
}

std::string allowed(const config::Parity& asked) {
  return ", at most " + percent_text(asked.max_diff) + " may";
}

std::string out_of(const analysis::ParityFigures& figures) {
  return std::to_string(figures.different) + " of " + std::to_string(figures.compared);
}

std::string figures_text(const ParityReport& report, const config::Parity& asked) {
  switch (report.state) {
    case ParityState::kShown:
      return "reads agree: " + out_of(report.concluded) + " differ" + allowed(asked);
    case ParityState::kDifferent:
      return "reads differ: " + out_of(report.concluded) + allowed(asked) + "; " +
             names_of(report.fields);
    case ParityState::kGathering:
      break;
  }
  if (report.learnt_from + report.not_compared == 0) return "no read has been compared yet";
  std::string text = out_of(report.now) + " reads differ" + allowed(asked);
  if (report.needs_requests) {
    text += "; about " + std::to_string(*report.needs_requests) + " more are needed";
  }
  return text;
}

std::uint64_t value_of(const std::atomic<std::uint64_t>& counter) noexcept {
  return counter.load(std::memory_order_relaxed);
}

std::vector<ParityView::Field> view_of(const std::vector<ParityTally>& tallies) {
  std::vector<ParityView::Field> fields;
  for (const ParityTally& each : tallies) {
    fields.push_back({std::string(analysis::to_string(each.field.kind)),
                      each.field.name,
                      each.field.path,
                      each.canary,
                      each.stable});
  }
  return fields;
}

int number_of(ParityState state) noexcept {
  if (state == ParityState::kGathering) return 0;
  return state == ParityState::kShown ? 1 : -1;
}

}  // namespace

proxy::ParityPolicy ParityWatches::policy_for(const config::Rollout& rollout) {
  if (!rollout.parity) {
    watches_.erase(rollout.name);
    return {};
  }
  if (find(rollout) == nullptr) {
    make_queues();
    watches_.insert_or_assign(rollout.name,
                              Watch{++last_id_,
                                    rollout.name,
                                    *rollout.parity,
                                    subject_of(rollout),
                                    analysis::Parity(settings_of(*rollout.parity)),
                                    std::make_shared<stats::ParityCounts>()});
  }
  const Watch& watch = watches_.at(rollout.name);
  proxy::ParityPolicy policy;
  policy.watch = watch.id;
  policy.share = routing::MirrorShare("parity " + rollout.name, watch.asked.sample);
  policy.headers = watch.asked.headers;
  policy.body_bytes_max = watch.asked.body_bytes;
  policy.timeout = watch.asked.timeout;
  policy.counts = watch.counts;
  return policy;
}

void ParityWatches::make_queues() {
  while (queues_.size() < workers_) queues_.push_back(std::make_shared<stats::ParityQueue>());
}

std::shared_ptr<stats::ParityQueue> ParityWatches::queue(std::size_t worker) const {
  return queues_.empty() ? nullptr : queues_.at(worker);
}

const ParityWatches::Watch* ParityWatches::find(const config::Rollout& rollout) const {
  const auto found = watches_.find(rollout.name);
  if (found == watches_.end() || rollout.parity != found->second.asked) return nullptr;
  return found->second.subject == subject_of(rollout) ? &found->second : nullptr;
}

// ---- Comparing

void ParityWatches::look() {
  const Monotonic until = clock_.now() + kLookMost;
  for (int i = 0; i < kReadsPerLook; ++i) {
    const auto read = next_read();
    if (read == nullptr) return;
    take(*read);
    if (clock_.now() >= until) return;
  }
}

// Of the workers in turn.
std::unique_ptr<stats::ParityRead> ParityWatches::next_read() {
  for (std::size_t tried = 0; tried < queues_.size(); ++tried) {
    next_queue_ = (next_queue_ + 1) % queues_.size();
    if (auto read = queues_[next_queue_]->pop()) return read;
  }
  return nullptr;
}

void ParityWatches::take(const stats::ParityRead& read) {
  for (auto& [name, watch] : watches_) {
    if (watch.id != read.watch) continue;
    const ParityState before = watch.parity.state();
    watch.parity.absorb(read);
    if (watch.parity.state() != before) tell(watch);
  }
}

void ParityWatches::tell(const Watch& watch) const {
  const ParityReport report = watch.parity.report();
  const std::string fields = names_of(report.fields);
  const std::string text = watch.rollout + ": " + figures_text(report, watch.asked);
  if (report.state == ParityState::kShown) {
    log_.info(log_event::kParity,
              text,
              {{"rollout", watch.rollout},
               {"state", analysis::to_string(report.state)},
               {"compared", report.concluded.compared},
               {"different", report.concluded.different}});
    return;
  }
  log_.warn(log_event::kParity,
            text,
            {{"rollout", watch.rollout},
             {"state", analysis::to_string(report.state)},
             {"compared", report.concluded.compared},
             {"different", report.concluded.different},
             {"fields", fields}});
}

// ---- What is known

bool ParityWatches::allows(const config::Rollout& rollout) const {
  if (!rollout.parity) return true;
  const Watch* const watch = find(rollout);
  return watch != nullptr && watch->parity.state() == ParityState::kShown;
}

std::string ParityWatches::figures(const config::Rollout& rollout) const {
  const Watch* const watch = find(rollout);
  return watch == nullptr ? std::string() : figures_text(watch->parity.report(), watch->asked);
}

std::optional<ParityView> ParityWatches::view(const config::Rollout& rollout) const {
  const Watch* const watch = find(rollout);
  if (watch == nullptr) return std::nullopt;
  const ParityReport report = watch->parity.report();
  ParityView view;
  view.state = analysis::to_string(report.state);
  view.max_diff = watch->asked.max_diff;
  view.min_requests = watch->asked.min_requests;
  if (report.state != ParityState::kGathering) {
    view.concluded = ParityView::Figures{report.concluded.compared, report.concluded.different};
  }
  view.now = {report.now.compared, report.now.different};
  view.evidence = report.evidence;
  view.needs_requests = report.needs_requests;
  view.learnt_from = report.learnt_from;
  view.not_compared = report.not_compared;
  view.unanswered = value_of(watch->counts->unanswered);
  view.busy = value_of(watch->counts->busy);
  view.fields = view_of(report.fields);
  view.noise = view_of(report.noise);
  return view;
}

std::optional<telemetry::ParityMetrics> ParityWatches::metrics(
    const config::Rollout& rollout) const {
  const Watch* const watch = find(rollout);
  if (watch == nullptr) return std::nullopt;
  const ParityReport report = watch->parity.report();
  telemetry::ParityMetrics metrics;
  metrics.state = number_of(report.state);
  metrics.evidence = report.evidence;
  metrics.reads = {{"same", report.total.compared - report.total.different},
                   {"different", report.total.different},
                   {"learnt_from", report.learnt_from},
                   {"not_compared", report.not_compared},
                   {"unanswered", value_of(watch->counts->unanswered)},
                   {"busy", value_of(watch->counts->busy)}};
  return metrics;
}

}  // namespace canaryd::control
