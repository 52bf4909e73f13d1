// Does the canary get the share of the requests that its weight says? A large gap is a fault of the
// routing, or a sticky key that many users share. It changes no verdict: the accounts compare with
// the requests that came.
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace canaryd::control {
namespace {

// What a chance draw may miss the weight by without anybody wondering: it is looked at each second,
// hence so many standard deviations and a request. But it is users who are drawn, once and for all,
// and not their requests: two thousand who ask equally often are within this share and that part of
// the smaller version's. With fewer requests of either version to come nothing is said.
constexpr double kDeviations = 5;
constexpr double kSlack = 0.01;
constexpr double kSlackOfShare = 0.1;
constexpr double kLeastExpected = 20;
// A version that gets next to nothing is no matter of a few users at any weight.
constexpr double kSlackAtMost = 0.9;

bool is_shared(BasisPoints weight) noexcept {
  return weight.value() > 0 && weight.value() < BasisPoints::kMax;
}

}  // namespace

std::optional<bool> sample_ratio_ok(const telemetry::RolloutShare& traffic,
                                    BasisPoints weight,
                                    bool was_ok) {
  if (!traffic.canary_share) return std::nullopt;
  const auto requests = static_cast<double>(traffic.share_of);
  const double of_canary = requests * weight.ratio();
  const double of_stable = requests - of_canary;
  // At 0 and 100 % that is never, and there is no draw.
  if (std::min(of_canary, of_stable) < kLeastExpected) return std::nullopt;
  const double deviation = std::sqrt(of_canary * (1 - weight.ratio()));
  const double gap = std::fabs(*traffic.canary_share * requests - of_canary);
  const double smaller = std::min(of_canary, of_stable);
  const double slack =
      std::min(kSlack * requests + kSlackOfShare * smaller, kSlackAtMost * smaller);
  const double limit = std::max(kDeviations * deviation + 1, slack);
  // What swings about the limit is not told of again and again.
  return gap <= (was_ok ? limit : limit / 2);
}

// Once when it goes wrong, and once when it is right again.
void Controller::State::tell_sample_ratio(Runner& runner) const {
  const BasisPoints weight = rollout::served_weight(runner.state());
  const auto traffic = parts.collector->rates(runner.config().name);
  if (!traffic || !is_shared(weight)) return;
  const auto ok = sample_ratio_ok(*traffic, weight, runner.sample_ratio_ok());
  if (!ok || !runner.notice_sample_ratio(*ok)) return;
  const std::string& name = runner.config().name;
  const std::string text = "the canary of " + name + " gets " +
                           analysis::format_rate(*traffic->canary_share) + " of the requests, at " +
                           format_percent(weight) + " %";
  const std::initializer_list<LogField> fields{{"rollout", name},
                                               {"weight", weight.percent()},
                                               {"actual", *traffic->canary_share * 100},
                                               {"ok", *ok}};
  if (*ok) {
    parts.log->info(log_event::kSampleRatio, text, fields);
  } else {
    parts.log->warn(log_event::kSampleRatio, text, fields);
  }
}

}  // namespace canaryd::control
