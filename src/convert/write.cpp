// The draft as the text of a configuration.
#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "convert/draft.hpp"

namespace canaryd::convert {
namespace {

// On one line: a comment that a file could end would let it write configuration.
std::string comment(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

void add_endpoints(Written& page, const DraftUpstream& upstream) {
  std::string& out = page.yaml;
  out += "    endpoints: ";
  if (!upstream.dns.empty()) {
    out += "{dns: " + quoted(upstream.dns) + "}\n";
    return;
  }
  out += '[';
  for (const DraftEndpoint& endpoint : upstream.endpoints) {
    out += out.ends_with('[') ? "" : ", ";
    page.from(endpoint.line == 0 ? upstream.line : endpoint.line);
    out += endpoint.weight.empty()
               ? quoted(endpoint.address)
               : "{address: " + quoted(endpoint.address) + ", weight: " + endpoint.weight + "}";
  }
  out += "]\n";
}

void add_upstream(Written& page, const DraftUpstream& upstream) {
  std::string& out = page.yaml;
  page.from(upstream.line);
  out += "  " + upstream.name + ":\n";
  add_endpoints(page, upstream);
  page.from(upstream.line);
  if (!upstream.load_balancer.empty()) {
    out += "    load_balancer: " + upstream.load_balancer + "\n";
  }
  if (upstream.failures > 0) {
    out += "    outlier_detection: {consecutive_failures: " + std::to_string(upstream.failures) +
           ", ejection: " + format_duration(upstream.ejection) + "}\n";
  }
}

void add_cohort(std::string& out, const DraftRollout& rollout) {
  if (rollout.key.empty() && rollout.cookie.empty()) return;
  out += "    cohort:\n";
  if (rollout.cookie.empty()) {
    out += "      keys: [" + rollout.key + "]\n";
  } else {
    out += "      keys: [{cookie: " + quoted(rollout.cookie) + "}]\n";
    out += "      issue_cookie: {name: " + quoted(rollout.cookie);
    if (rollout.cookie_age) out += ", max_age: " + format_duration(*rollout.cookie_age);
    out += "}\n";
  }
  if (!rollout.salt.empty()) out += "      salt: " + quoted(rollout.salt) + "\n";
}

void add_steps(Written& page, const DraftRollout& rollout) {
  std::string& out = page.yaml;
  if (rollout.steps.empty()) return;
  out += "    steps:\n";
  for (const DraftStep& step : rollout.steps) {
    page.from(step.line == 0 ? rollout.line : step.line);
    out += "      - {weight: " + step.weight;
    if (step.pause > Duration::zero()) out += ", min_duration: " + format_duration(step.pause);
    // Room for the evidence behind the pause; the default is one hour.
    if (step.pause > std::chrono::minutes(30)) {
      out += ", max_duration: " + format_duration(2 * step.pause);
    }
    if (!step.gate.empty()) out += ", gate: " + step.gate;
    out += "}\n";
  }
  page.from(rollout.line);
}

void add_query(std::string& out, const DraftQuery& query) {
  out += "        - name: " + query.name + "\n";
  if (!query.webhook.empty()) out += "          webhook: " + quoted(query.webhook) + "\n";
  if (!query.prometheus.empty()) out += "          prometheus: " + quoted(query.prometheus) + "\n";
  if (!query.query.empty()) out += "          query: " + quoted(query.query) + "\n";
  if (!query.min.empty()) out += "          min: " + query.min + "\n";
  if (!query.max.empty()) out += "          max: " + query.max + "\n";
  if (query.interval) out += "          interval: " + format_duration(*query.interval) + "\n";
  if (query.failures > 0) out += "          failures: " + std::to_string(query.failures) + "\n";
  out += "          on_failure: rollback\n";
}

void add_analysis(Written& page, const DraftRollout& rollout) {
  std::string& out = page.yaml;
  const bool limits = !rollout.limit_errors.empty() || !rollout.limit_p99.empty();
  if (!limits && rollout.queries.empty()) return;
  out += "    analysis:\n";
  if (limits) {
    out += "      limits:\n";
    if (!rollout.limit_errors.empty()) out += "        errors: " + rollout.limit_errors + "\n";
    if (!rollout.limit_p99.empty()) out += "        latency_p99: " + rollout.limit_p99 + "\n";
  }
  if (rollout.queries.empty()) return;
  out += "      queries:\n";
  for (const DraftQuery& query : rollout.queries) {
    page.from(query.line == 0 ? rollout.line : query.line);
    add_query(out, query);
  }
  page.from(rollout.line);
}

void add_rollout(Written& page, const DraftRollout& rollout) {
  std::string& out = page.yaml;
  page.from(rollout.line);
  out += "  " + rollout.name + ":\n    stable: " + rollout.stable +
         "\n    canary: " + rollout.canary + "\n";
  if (!rollout.revision.empty()) out += "    revision: " + quoted(rollout.revision) + "\n";
  if (rollout.manual) out += "    start: manual\n";
  add_cohort(out, rollout);
  add_steps(page, rollout);
  add_analysis(page, rollout);
  if (rollout.hooks.empty()) return;
  out += "    hooks:\n";
  for (const DraftHook& hook : rollout.hooks) {
    page.from(hook.line == 0 ? rollout.line : hook.line);
    out += "      - {on: [" + hook.on + "], http: {url: " + quoted(hook.url) + "}}\n";
  }
}

void add_route(Written& page, const DraftRoute& route) {
  std::string& out = page.yaml;
  page.from(route.line);
  out += "  - name: " + route.name + "\n    match: {";
  if (!route.host.empty()) out += "host: " + quoted(route.host) + ", ";
  out += (route.exact ? "path_exact: " : "path_prefix: ") + quoted(route.path) + "}\n";
  if (!route.answer.status.empty()) {
    out += "    respond: {status: " + route.answer.status;
    if (!route.answer.location.empty()) out += ", location: " + quoted(route.answer.location);
    if (!route.answer.body.empty()) out += ", body: " + quoted(route.answer.body);
    out += "}\n";
    return;
  }
  out += route.rollout.empty() ? "    upstream: " + route.upstream + "\n"
                               : "    rollout: " + route.rollout + "\n";
}

}  // namespace

Written write(const Draft& draft, const Input& input) {
  Written page;
  std::string& out = page.yaml;
  out = "# Made by `canaryd convert` from " + comment(input.file_name) +
        ".\n# Check it with `canaryd validate -c FILE`, which says how long the steps "
        "take, too.\n";
  if (!draft.warnings.empty()) out += "#\n# What is not the same here, by line of that file:\n";
  for (const Note& note : draft.warnings) {
    out += "# - " + (note.line > 0 ? std::to_string(note.line) + ": " : "") +
           comment(note.message) + "\n";
  }
  out += "version: 1\n\nlisteners:\n  - name: public\n    address: " + quoted(input.listen) +
         "\n\nupstreams:\n";
  for (const DraftUpstream& upstream : draft.upstreams) add_upstream(page, upstream);
  page.from(0);
  if (!draft.rollouts.empty()) out += "\nrollouts:\n";
  for (const DraftRollout& rollout : draft.rollouts) add_rollout(page, rollout);
  page.from(0);
  out += "\nroutes:\n";
  for (const DraftRoute& route : draft.routes) add_route(page, route);
  return page;
}

}  // namespace canaryd::convert
