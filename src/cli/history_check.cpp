#include "cli/history_check.hpp"

#include "canaryd/base/text.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"

#include <algorithm>

namespace canaryd::cli {

Result<std::string> render_history_check(std::string_view answer, const std::string& rollout) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(answer));
  const JsonView view(document);
  if (!view.is_object()) return fail(ErrorCode::kMalformed, "the answer is not a verification");
  std::string result = view["result"].text();
  std::replace(result.begin(), result.end(), '_', ' ');
  const bool broken = !view["bad_id"].is_null();
  const bool one = view["entries"].number() == 1.0;
  std::string text = result + ": " + view["why"].text() + "\n  " +
                     format_count(view["entries"].number()) + (one ? " entry" : " entries");
  if (broken) text += one ? " before it is good" : " before it are good";
  if (!view["first"].is_null()) {
    text += ", from " + view["first"].text() + " to " + view["last"].text();
  }
  if (!rollout.empty()) {
    text += ", " + format_count(view["of_rollout"].number()) + " of them of " + rollout;
  }
  if (const double pruned = view["pruned"].number().value_or(0); pruned > 0) {
    text +=
        "; " + format_count(pruned) + (pruned == 1 ? " was" : " were") + " taken out by retention";
  }
  text += "\n  head " + view["head"].text() + "\n";
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    append_printable(out, std::string_view(text).substr(begin, end - begin));
    out += '\n';
    begin = end + 1;
  }
  return out;
}

bool is_whole(std::string_view answer) {
  const auto document = parse_json(answer);
  return document && JsonView(*document)["result"].text() == "whole";
}

}  // namespace canaryd::cli
