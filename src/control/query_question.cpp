// What the provider of a query is sent.
#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/rollout/machine.hpp"
#include "control/queries.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace canaryd::control {
namespace {

// Within the quotes of PromQL, whichever they are: a revision is free text.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\x22";
        break;
      case '\'':
        out += "\\x27";
        break;
      case '\\':
        out += "\\x5c";
        break;
      case '`':
        out += "\\x60";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string value_of(std::string_view word,
                     const config::Query& query,
                     const config::Rollout& rollout,
                     const rollout::State& state) {
  if (word == "rollout") return rollout.name;
  if (word == "stable") return rollout::stable_of(rollout.plan, state);
  if (word == "canary") return rollout::canary_of(rollout.plan, state);
  if (word == "revision") return escaped(state.revision);
  if (word == "interval") return format_duration(query.interval);
  return {};
}

std::string filled_in(const config::Query& query,
                      const config::Rollout& rollout,
                      const rollout::State& state) {
  std::string out;
  config::visit_query(query.query, [&](std::string_view text, std::string_view word) {
    out += text;
    out += value_of(word, query, rollout, state);
  });
  return out;
}

// The server need not go on when nobody listens any more.
std::string seconds_text(Duration duration) {
  std::string out;
  append_json_number(out, std::chrono::duration<double>(duration).count());
  return out;
}

void add_part(std::string& out, std::string_view key, std::string_view value) {
  append_json_string(out, key);
  out += ": ";
  append_json_string(out, value);
  out += ", ";
}

std::string webhook_body(const config::Query& query,
                         const config::Rollout& rollout,
                         const rollout::State& state) {
  std::string out = "{";
  add_part(out, "query", query.name);
  add_part(out, "rollout", rollout.name);
  add_part(out, "state", rollout::to_string(state.phase));
  add_part(out, "stable", rollout::stable_of(rollout.plan, state));
  add_part(out, "canary", rollout::canary_of(rollout.plan, state));
  add_part(out, "revision", state.revision);
  out += "\"step\": " + std::to_string(state.step + 1);
  out += ", \"steps\": " + std::to_string(rollout.plan.steps.size());
  out += ", \"weight\": " + format_percent(state.weight) + "}";
  return out;
}

}  // namespace

HttpQuestion question_of(const config::Query& query,
                         const config::Rollout& rollout,
                         const rollout::State& state) {
  HttpQuestion question;
  question.timeout = query.timeout;
  question.headers = {{"User-Agent", "canaryd"}, {"Accept", "application/json"}};
  if (query.webhook) {
    question.url = *query.webhook;
    question.method = "POST";
    question.headers.push_back({"Content-Type", "application/json"});
    question.body = webhook_body(query, rollout, state);
    return question;
  }
  question.url = *query.prometheus;
  std::string& target = question.url.target;
  if (target.ends_with('/')) target.pop_back();
  target += "/api/v1/query?query=" + percent_encoded(filled_in(query, rollout, state)) +
            "&timeout=" + seconds_text(query.timeout);
  return question;
}

}  // namespace canaryd::control
