// The views of control/backend.hpp as JSON (docs/interfaces.md section 3).
#pragma once

#include "canaryd/control/backend.hpp"

#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace canaryd::admin {

// Boost.JSON writes 5.0 as 5E0 and passes controls such as U+009B on; this writes 5 and escapes
// them. Ends in a line feed, for curl.
[[nodiscard]] std::string to_text(const boost::json::value& value);

[[nodiscard]] boost::json::value to_json(const control::RolloutView& view);
// What it is judged by alone.
[[nodiscard]] boost::json::value analysis_to_json(const control::RolloutView& view);
// json_parity.cpp
[[nodiscard]] boost::json::value to_json(const control::ParityView& view);
[[nodiscard]] boost::json::value to_json(const control::PointView& view);
[[nodiscard]] boost::json::value to_json(const control::HistoryRow& row);
[[nodiscard]] boost::json::value to_json(const control::CommentView& view);
[[nodiscard]] boost::json::value to_json(const control::TransitionView& view);
[[nodiscard]] boost::json::value to_json(const control::VerdictView& view);
[[nodiscard]] boost::json::value to_json(const control::ReloadView& view);
[[nodiscard]] boost::json::value to_json(const control::EventsMissed& missed);
[[nodiscard]] boost::json::value to_json(const control::ListenerView& view);
[[nodiscard]] boost::json::value to_json(const control::UpstreamView& view);
[[nodiscard]] boost::json::value to_json(const control::RouteView& view);
// json_migration.cpp
[[nodiscard]] boost::json::value to_json(const control::MigrationView& view);
[[nodiscard]] boost::json::value to_json(const control::Explanation& answer);
[[nodiscard]] boost::json::value to_json(const control::ConfigProblem& problem);
[[nodiscard]] boost::json::value to_json(const control::BuildView& view);
[[nodiscard]] boost::json::value to_json(const control::VerificationView& view);
[[nodiscard]] boost::json::value to_json(const control::HistoryCheckView& view);

template <class View>
[[nodiscard]] boost::json::value to_json(const std::vector<View>& views) {
  boost::json::array array;
  array.reserve(views.size());
  for (const View& view : views) array.push_back(to_json(view));
  return array;
}

}  // namespace canaryd::admin
