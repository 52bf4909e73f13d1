// A cookie that cannot be set: said once, for the metric counts on.
#include "control/controller_state.hpp"

#include <string>

namespace canaryd::control {

void Controller::State::tell_withheld_cookies(Runner& runner) const {
  const config::Rollout& rollout = runner.config();
  const auto& cookie = rollout.cohort.issue_cookie;
  if (!cookie || parts.collector->withheld_cookies(rollout.name) == 0) return;
  if (!runner.notice_withheld_cookies()) return;
  parts.log->warn(log_event::kCookieWithheld,
                  "rollout " + rollout.name + " could not set its cookie " + cookie->name +
                      ": a shared cache may keep the answer (a lifetime or public without "
                      "private, or a 304); such users are drawn anew with each request until "
                      "another answer brings it",
                  {{"rollout", rollout.name}});
}

}  // namespace canaryd::control
