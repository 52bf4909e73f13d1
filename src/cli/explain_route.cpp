#include "cli/explain_route.hpp"

#include "canaryd/base/text.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"

#include <boost/json.hpp>

namespace canaryd::cli {
namespace {

void add_row(std::string& out, std::string_view label, const std::string& text) {
  if (text.empty()) return;
  constexpr std::size_t kLabelColumns = 10;
  out.append("  ").append(label).append(kLabelColumns - label.size(), ' ');
  append_printable(out, text);
  out += '\n';
}

std::string rollout_text(JsonView answer) {
  std::string text = answer["rollout"].text();
  if (text.empty()) return text;
  if (const std::string state = answer["state"].text(); !state.empty()) text += ", " + state;
  if (const auto weight = answer["weight"].number())
    text += ", weight " + format_share(weight) + " %";
  return text;
}

std::string segment_text(JsonView answer) {
  const auto segment = answer["segment"].number();
  if (!segment) return {};
  return format_count(segment) + ": " + answer["segment_rule"].text();
}

std::string key_text(JsonView answer) {
  std::string text = answer["key_source"].text();
  if (text.empty()) return text;
  if (const std::string name = answer["key_name"].text(); !name.empty()) text += " " + name;
  if (answer["key_is_fresh"].flag().value_or(false)) return text + ", made for this request";
  if (const auto bucket = answer["bucket"].number()) {
    text += ", bucket " + format_count(bucket) + " of 10000";
  }
  return text;
}

std::string cohort_text(JsonView answer) {
  std::string text = answer["cohort"].text();
  if (text.empty()) return text;
  if (answer["forced"].flag().value_or(false)) text += ", forced";
  if (!answer["counts"].flag().value_or(true)) text += ", not part of the analysis";
  return text;
}

std::string upstream_text(JsonView answer) {
  std::string text = answer["upstream"].text();
  const JsonView endpoints = answer["endpoints"];
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    text += (i == 0 ? ": " : ", ") + endpoints[i]["address"].text();
    if (!endpoints[i]["healthy"].flag().value_or(true)) text += " (unhealthy)";
    if (endpoints[i]["ejected"].flag().value_or(false)) text += " (ejected)";
  }
  return text;
}

std::string mirror_text(JsonView mirror) {
  const std::string to = mirror["to"].text();
  if (to.empty()) return to;
  return to + ", copies of " + format_share(mirror["percent"].number()) + " % of the keys";
}

}  // namespace

Result<std::string> explain_body(const Options& options) {
  boost::json::object headers;
  for (const std::string& header : options.headers) {
    const std::size_t colon = header.find(':');
    if (colon == std::string::npos || colon == 0) {
      return fail(ErrorCode::kInvalidArgument, "a header is written as 'Name: value'");
    }
    const std::string name = header.substr(0, colon);
    const std::size_t value = std::min(header.find_first_not_of(" \t", colon + 1), header.size());
    boost::json::value& values = headers[name];
    if (!values.is_array()) values = boost::json::array();
    values.get_array().emplace_back(header.substr(value));
  }
  boost::json::object body;
  body["method"] = options.method;
  body["url"] = options.url;
  body["headers"] = std::move(headers);
  if (!options.client.empty()) body["client"] = options.client;
  if (!options.listener.empty()) body["listener"] = options.listener;
  return boost::json::serialize(body);
}

Result<std::string> render_explanation(std::string_view body) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(body));
  const JsonView answer(document);
  if (!answer.is_object()) return fail(ErrorCode::kMalformed, "the answer is not an explanation");
  std::string route = answer["route"].text();
  if (const std::string match = answer["match"].text(); !match.empty()) route += " (" + match + ")";
  std::string out;
  add_row(out, "listener", answer["listener"].text());
  add_row(out, "client", answer["client"].text());
  add_row(out,
          "request",
          answer["method"].text() + " " + answer["host"].text() + answer["path"].text());
  add_row(out, "route", route);
  if (const auto lane = answer["lane"].number()) add_row(out, "lane", format_count(lane));
  add_row(out, "rollout", rollout_text(answer));
  add_row(out, "key", key_text(answer));
  add_row(out, "segment", segment_text(answer));
  add_row(out, "cohort", cohort_text(answer));
  add_row(out, "upstream", upstream_text(answer));
  add_row(out, "sent as", answer["sent_as"].text());
  add_row(out, "mirror", mirror_text(answer["mirror"]));
  add_row(out, "why", answer["why"].text());
  return out;
}

}  // namespace canaryd::cli
