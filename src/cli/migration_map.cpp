#include "cli/migration_map.hpp"

#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/table.hpp"

#include <boost/json.hpp>

#include <array>
#include <string_view>
#include <vector>

namespace canaryd::cli {
namespace {

// Whose columns go first when the terminal is too narrow; a route, its state and weight stay.
constexpr std::array<std::string_view, 6> kMapLeastNeeded{
    "SUNSET", "MATCH", "FROM", "TO", "MOVED", "REQUESTS"};
constexpr std::array<std::string_view, 1> kPathsLeastNeeded{"ROUTE"};

Style style_of(const std::string& state) {
  if (state == "moved") return Style::kGood;
  return state == "moving" ? Style::kActive : Style::kPlain;
}

Cells header(const std::vector<const char*>& titles) {
  Cells cells;
  for (const char* title : titles) cells.push_back({title, Style::kDim});
  return cells;
}

double sum_of(JsonView requests) {
  return requests["left"].number().value_or(0) + requests["moved"].number().value_or(0) +
         requests["answered"].number().value_or(0);
}

Cells row_of(JsonView route) {
  const std::string state = route["state"].text();
  const auto weight = route["weight"].number();
  return {{route["name"].text(), Style::kBold},
          {state, style_of(state)},
          {or_dash(route["from"].text())},
          {or_dash(route["to"].text())},
          {weight ? format_share(weight) + " %" : "-"},
          {format_count(sum_of(route["requests"]))},
          {format_ratio(route["share"].number())},
          {or_dash(route["sunset"].text().substr(0, 10))},
          {route["match"].text()}};
}

std::string summary(JsonView answer) {
  const JsonView routes = answer["routes"];
  const auto share = answer["requests"]["share"].number();
  std::string text = format_count(routes["moved"].number()) + " of " +
                     format_count(routes["total"].number()) + " routes moved";
  if (share) text += ", " + format_ratio(share) + " of the requests";
  if (const auto lost = answer["requests"]["no_route"].number(); lost.value_or(0) > 0) {
    text += "; " + format_count(lost) + " requests had no route";
  }
  return text;
}

std::string paths_of(JsonView paths, const ScreenOptions& options) {
  std::vector<Cells> rows{header({"REQUESTS", "PATH", "ROUTE"})};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const bool routed = paths[i]["routed"].flag().value_or(false);
    const bool rough = paths[i]["error"].number().value_or(0) > 0;
    rows.push_back({{(rough ? "<= " : "") + format_count(paths[i]["requests"].number())},
                    {paths[i]["path"].text()},
                    {routed ? "only one for everything" : "none"}});
  }
  return Line().add("Paths that no route names:").finish(options) +
         render_table(rows, options, kPathsLeastNeeded, false);
}

}  // namespace

Result<std::string> render_migration(std::string_view body, const ScreenOptions& options) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(body));
  const JsonView answer(document);
  if (!answer.is_object()) return fail(ErrorCode::kMalformed, "the answer is not a migration map");
  std::vector<Cells> rows{
      header({"ROUTE", "STATE", "FROM", "TO", "WEIGHT", "REQUESTS", "MOVED", "SUNSET", "MATCH"})};
  const JsonView items = answer["items"];
  for (std::size_t i = 0; i < items.size(); ++i) rows.push_back(row_of(items[i]));
  std::string out = render_table(rows, options, kMapLeastNeeded) + "\n";
  out += Line().add(summary(answer)).finish(options);
  const JsonView paths = answer["paths"];
  if (paths.size() > 0) out += "\n" + paths_of(paths, options);
  return out;
}

}  // namespace canaryd::cli
