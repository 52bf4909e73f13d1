#include "admin/answer.hpp"

#include "admin/json.hpp"
#include "admin/problem.hpp"

#include <algorithm>
#include <string>

namespace canaryd::admin {

Response json_response(const boost::json::value& value) {
  Response response;
  response.body = to_text(value);
  return response;
}

Response no_such_rollout(const Request& request, const control::Backend& backend) {
  constexpr std::size_t kNames = 10;
  const auto known = backend.rollouts();
  std::string text = "there is no such rollout";
  for (std::size_t i = 0; i < std::min(known.size(), kNames); ++i) {
    text += (i > 0 ? ", " : known.size() == 1 ? "; there is " : "; there are ") + known[i].name;
  }
  text += known.size() > kNames ? " and more" : "";
  return to_response({404, "not-found", text}, request.path());
}

}  // namespace canaryd::admin
