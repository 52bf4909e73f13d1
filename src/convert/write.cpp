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

std::string endpoints_of(const DraftUpstream& upstream) {
  if (!upstream.dns.empty()) return "{dns: " + quoted(upstream.dns) + "}";
  std::string out;
  for (const DraftEndpoint& endpoint : upstream.endpoints) {
    out += out.empty() ? "" : ", ";
    out += endpoint.weight.empty()
               ? quoted(endpoint.address)
               : "{address: " + quoted(endpoint.address) + ", weight: " + endpoint.weight + "}";
  }
  return "[" + out + "]";
}

void add_upstream(std::string& out, const DraftUpstream& upstream) {
  out += "  " + upstream.name + ":\n    endpoints: " + endpoints_of(upstream) + "\n";
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

void add_steps(std::string& out, const DraftRollout& rollout) {
  if (rollout.steps.empty()) return;
  out += "    steps:\n";
  for (const DraftStep& step : rollout.steps) {
    out += "      - {weight: " + step.weight;
    if (step.pause > Duration::zero()) out += ", min_duration: " + format_duration(step.pause);
    // Room for the evidence behind the pause; the default is one hour.
    if (step.pause > std::chrono::minutes(30)) {
      out += ", max_duration: " + format_duration(2 * step.pause);
    }
    if (!step.gate.empty()) out += ", gate: " + step.gate;
    out += "}\n";
  }
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

void add_analysis(std::string& out, const DraftRollout& rollout) {
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
  for (const DraftQuery& query : rollout.queries) add_query(out, query);
}

void add_rollout(std::string& out, const DraftRollout& rollout) {
  out += "  " + rollout.name + ":\n    stable: " + rollout.stable +
         "\n    canary: " + rollout.canary + "\n";
  if (!rollout.revision.empty()) out += "    revision: " + quoted(rollout.revision) + "\n";
  if (rollout.manual) out += "    start: manual\n";
  add_cohort(out, rollout);
  add_steps(out, rollout);
  add_analysis(out, rollout);
  if (rollout.hooks.empty()) return;
  out += "    hooks:\n";
  for (const DraftHook& hook : rollout.hooks) {
    out += "      - {on: [" + hook.on + "], http: {url: " + quoted(hook.url) + "}}\n";
  }
}

void add_route(std::string& out, const DraftRoute& route) {
  out += "  - name: " + route.name + "\n    match: {";
  if (!route.host.empty()) out += "host: " + quoted(route.host) + ", ";
  out += (route.exact ? "path_exact: " : "path_prefix: ") + quoted(route.path) + "}\n";
  out += route.rollout.empty() ? "    upstream: " + route.upstream + "\n"
                               : "    rollout: " + route.rollout + "\n";
}

}  // namespace

std::string write(const Draft& draft, const Input& input) {
  std::string out = "# Made by `canaryd convert` from " + comment(input.file_name) +
                    ".\n# Check it with `canaryd validate -c FILE`, which says how long the steps "
                    "take, too.\n";
  if (!draft.warnings.empty()) out += "#\n# What is not the same here, by line of that file:\n";
  for (const Note& note : draft.warnings) {
    out += "# - " + (note.line > 0 ? std::to_string(note.line) + ": " : "") +
           comment(note.message) + "\n";
  }
  out += "version: 1\n\nlisteners:\n  - name: public\n    address: " + quoted(input.listen) +
         "\n\nupstreams:\n";
  for (const DraftUpstream& upstream : draft.upstreams) add_upstream(out, upstream);
  if (!draft.rollouts.empty()) out += "\nrollouts:\n";
  for (const DraftRollout& rollout : draft.rollouts) add_rollout(out, rollout);
  out += "\nroutes:\n";
  for (const DraftRoute& route : draft.routes) add_route(out, route);
  return out;
}

}  // namespace canaryd::convert
