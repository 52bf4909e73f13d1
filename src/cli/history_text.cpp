#include "cli/history_text.hpp"

#include "canaryd/cli/status_screen.hpp"
#include "cli/figures.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <string>
#include <tuple>

namespace canaryd::cli {
namespace {

constexpr int kNotCut = 100000;

// Comments have no id. The texts make the order total, as the standard's sorting needs it.
auto order_of(JsonView row) {
  return std::tuple(row["time"].text(),
                    row["id"].number().value_or(0),
                    row["rollout"].text(),
                    row["actor"].text(),
                    row["comment"].text());
}

std::string what_of(JsonView row) {
  if (!row["comment"].is_null()) {
    return "feedback " + format_count(row["score"].number()) + " of 5 (" + row["cohort"].text() +
           "): " + row["comment"].text();
  }
  const std::string message = row["message"].text();
  return message.empty() ? row["from"].text() + " -> " + row["to"].text() : message;
}

bool says(const std::string& sentence, const std::string& part) {
  return sentence.find(part) != std::string::npos;
}

}  // namespace

void sort_history(boost::json::array& rows) {
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return order_of(JsonView(a)) < order_of(JsonView(b));
  });
}

std::string history_line(JsonView row, ScreenOptions options) {
  const std::string what = what_of(row);
  const std::string reason = row["reason"].text();
  const std::string actor = row["actor"].text();
  const bool transition = row["comment"].is_null();
  Line line;
  line.add(row["time"].text(), Style::kDim).add("  ");
  line.add(row["rollout"].text(), Style::kBold).add("  ");
  line.add(what, transition ? describe_state(row["to"].text()).style : Style::kPlain);
  // "operator" says no more than the name of one does.
  const bool tells_reason = reason.empty() || reason == "operator" || says(what, reason);
  if (transition && !tells_reason) line.add(" (" + reason + ")");
  if (!actor.empty() && !says(what, "(by " + actor + ")")) line.add("  by " + actor);
  options.columns = kNotCut;
  return line.finish(options);
}

}  // namespace canaryd::cli
