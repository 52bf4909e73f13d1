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

Response not_found(const Request& request, const std::string& detail) {
  return to_response({404, "not-found", detail}, request.path());
}

}  // namespace

Response no_such_rollout(const Request& request,
                         std::string_view name,
                         const control::Backend& backend) {
  const auto rollouts = backend.rollouts();
  std::vector<std::string_view> known;
  for (const control::RolloutView& rollout : rollouts) known.push_back(rollout.name);
  const std::string meant = did_you_mean(name, known);
  return not_found(
      request, meant.empty() ? no_such("rollout", known) : no_such("rollout", {}) + "; " + meant);
}

Response if_no_such_rollout(const Request& request,
                            std::string_view name,
                            const control::Backend& backend) {
  // Nearly always there is one, and the views of all of them are not cheap.
  if (backend.rollout(name)) return not_found(request, no_such("rollout", {}));
  return no_such_rollout(request, name, backend);
}

}  // namespace canaryd::admin
