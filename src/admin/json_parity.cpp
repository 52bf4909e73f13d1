// What is known of a rollout's read parity as JSON.
#include "admin/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <utility>

namespace canaryd::admin {
namespace {

namespace json = boost::json;

json::value figures_of(const control::ParityView::Figures& figures) {
  return {{"compared", figures.compared}, {"different", figures.different}};
}

json::array fields_of(const std::vector<control::ParityView::Field>& fields) {
  json::array items;
  for (const control::ParityView::Field& each : fields) {
    items.push_back({{"kind", each.kind},
                     {"field", each.field},
                     {"path", each.path},
                     {"canary", each.canary},
                     {"stable", each.stable}});
  }
  return items;
}

}  // namespace

json::value to_json(const control::ParityView& view) {
  json::object object;
  object["state"] = view.state;
  object["max_diff"] = 100 * view.max_diff;
  object["min_requests"] = view.min_requests;
  object["concluded"] = view.concluded ? figures_of(*view.concluded) : json::value(nullptr);
  object["now"] = figures_of(view.now);
  object["evidence"] = view.evidence;
  object["needs_requests"] =
      view.needs_requests ? json::value(*view.needs_requests) : json::value(nullptr);
  object["learnt_from"] = view.learnt_from;
  object["not_compared"] = view.not_compared;
  object["unanswered"] = view.unanswered;
  object["busy"] = view.busy;
  object["fields"] = fields_of(view.fields);
  object["noise"] = fields_of(view.noise);
  return object;
}

}  // namespace canaryd::admin
