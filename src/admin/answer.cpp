#include "admin/answer.hpp"

#include "admin/json.hpp"
#include "admin/problem.hpp"
#include "canaryd/base/suggest.hpp"

#include <vector>

namespace canaryd::admin {

Response json_response(const boost::json::value& value) {
  Response response;
  response.body = to_text(value);
  return response;
}

namespace {

Response not_found(const Request& request, const std::vector<std::string_view>& known) {
  return to_response({404, "not-found", no_such("rollout", known)}, request.path());
}

}  // namespace

Response no_such_rollout(const Request& request, const control::Backend& backend) {
  const auto rollouts = backend.rollouts();
  std::vector<std::string_view> known;
  for (const control::RolloutView& rollout : rollouts) known.push_back(rollout.name);
  return not_found(request, known);
}

Response if_no_such_rollout(const Request& request,
                            std::string_view name,
                            const control::Backend& backend) {
  // Nearly always there is one, and the views of all of them are not cheap.
  if (backend.rollout(name)) return not_found(request, {});
  return no_such_rollout(request, backend);
}

}  // namespace canaryd::admin
