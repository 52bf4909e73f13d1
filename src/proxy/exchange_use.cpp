// Tells control who still uses a version that is to be retired.
#include "proxy/exchange.hpp"

namespace canaryd::proxy {

// Only while a rollout of the table is watched. Once for each request, and once more if stable
// answers in the canary's place.
void Exchange::note_use(UpstreamId id) noexcept {
  const routing::Rollout* const rollout = route_->rollout;
  if (rollout == nullptr || id != rollout->stable) return;
  stats::StableUse* const use = table_->snapshot.stable_uses[rollout->id.index()].get();
  if (use == nullptr) return;
  stats::StableUser user;
  user.route = stats::BoundedText<63>(route_->name);
  user.rule = stats::BoundedText<15>(fell_back_ ? "fallback" : routing::to_string(pick_.rule));
  user.client = connection_->client_address(request_);
  user.user_agent = stats::BoundedText<95>(request_.fields.value(http::FieldId::kUserAgent));
  use->note(user);
}

}  // namespace canaryd::proxy
