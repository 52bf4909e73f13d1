#include "cli/history_text.hpp"

#include "canaryd/cli/status_screen.hpp"
#include "cli/figures.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace canaryd::cli {
namespace {

constexpr int kNotCut = 100000;

// Comments have no id. The texts make the order total, as the standard's sorting needs it.
auto order_of(JsonView row) {
  return std::tuple(row["id"].number().value_or(0),
                    row["rollout"].text(),
                    row["actor"].text(),
                    row["comment"].text());
}

// The journal of a rollout has the order of what happened, and its times may step back where a
// clock did; rows of several, and comments, are put between each other by time.
std::vector<std::string> times_that_rise(const boost::json::array& rows) {
  std::map<std::string, std::string> latest;
  std::vector<std::string> times;
  for (const auto& each : rows) {
    const JsonView row(each);
    std::string time = row["time"].text();
    if (row["comment"].is_null()) {
      std::string& last = latest[row["rollout"].text()];
      last = std::max(last, time);
      time = last;
    }
    times.push_back(std::move(time));
  }
  return times;
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

// Comments have none.
std::string id_of(JsonView row) {
  const auto id = row["id"].number();
  return id ? std::to_string(static_cast<std::uint64_t>(*id)) : "-";
}

Line entry_line(JsonView row) {
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
  return line;
}

}  // namespace

void sort_history(boost::json::array& rows) {
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return order_of(JsonView(a)) < order_of(JsonView(b));
  });
  const std::vector<std::string> times = times_that_rise(rows);
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&times](std::size_t a, std::size_t b) {
    return times[a] < times[b];
  });
  boost::json::array sorted;
  for (const std::size_t at : order) sorted.push_back(std::move(rows[at]));
  rows = std::move(sorted);
}

std::string render_history(const boost::json::array& rows, bool wide, ScreenOptions options) {
  options.columns = kNotCut;
  std::size_t id_width = 0;
  for (const auto& row : rows) id_width = std::max(id_width, id_of(JsonView(row)).size());
  std::string text;
  for (const auto& row : rows) {
    Line line;
    if (wide) line.add_right(id_of(JsonView(row)), static_cast<int>(id_width)).add("  ");
    text += line.add(entry_line(JsonView(row))).finish(options);
  }
  return text;
}

}  // namespace canaryd::cli
