// Flagger: kind Canary, and the MetricTemplates of the same file.
#include "canaryd/base/units.hpp"
#include "canaryd/base/url.hpp"
#include "convert/manifest.hpp"

#include <algorithm>

namespace canaryd::convert {
namespace {

constexpr const char* kDeploymentsLeft = "canaryd moves requests, and leaves deployments to others";
constexpr const char* kRoutes = "write it as a key of routes, where there is one";

class Canary {
 public:
  Canary(Draft& draft, const std::vector<Manifest>& manifests)
      : draft_(draft), manifests_(manifests) {}

  void read(const config::Node& root) {
    read_rollout(draft_, root, rollout_, name_space_, [this](Part& spec) { read_spec(spec); });
  }

 private:
  void read_spec(Part& spec) {
    Part target = spec.part("targetRef");
    target_ = target.text("name");
    target.pass_over({"apiVersion", "kind"});
    target.end();
    Part service = spec.part("service");
    read_service(service);
    service.end();
    spec.leave_out({"autoscalerRef",
                    "ingressRef",
                    "routeRef",
                    "gatewayRef",
                    "upstreamRef",
                    "revertOnDeletion",
                    "suspend"},
                   kDeploymentsLeft);
    spec.leave_out({"provider", "metricsServer"}, "canaryd is the router itself, and measures");
    spec.leave_out({"progressDeadlineSeconds"},
                   "max_duration of a step and on_inconclusive say what happens without a verdict");
    if (spec.text("skipAnalysis") == "true") {
      draft_.warn(
          spec.line_of("skipAnalysis"),
          "skipAnalysis is not carried over: see analysis.mode: observe, and promote --full");
    }
    const char* const key = spec.has("canaryAnalysis") ? "canaryAnalysis" : "analysis";
    Part analysis = spec.part(key);
    if (!analysis.exists()) {
      draft_.warn(spec.line(), "spec.analysis is missing: the steps are those of the defaults");
    }
    read_analysis(analysis);
    analysis.end();
  }

  // Flagger makes two services, NAME-primary and NAME-canary.
  void read_service(Part& service) {
    std::string name = service.text("name");
    if (name.empty()) name = target_.empty() ? rollout_.name : target_;
    const std::string port = service.text("port");
    const auto add = [&](const char* suffix) {
      DraftUpstream upstream;
      upstream.line = service.line();
      upstream.name = name_from(name + suffix);
      upstream.dns = service_address(name + suffix, name_space_, port);
      draft_.warn(service.line(),
                  "upstream " + upstream.name + " is looked up as " + upstream.dns +
                      ": canaryd has to run where that name is known");
      draft_.upstreams.push_back(upstream);
      return upstream.name;
    };
    rollout_.stable = add("-primary");
    rollout_.canary = add("-canary");
    service.pass_over({"portName", "portDiscovery", "targetPort", "appProtocol"});
    service.leave_out({"apex",
                       "primary",
                       "canary",
                       "gateways",
                       "gatewayRefs",
                       "hosts",
                       "delegation",
                       "trafficPolicy",
                       "meshName",
                       "backends",
                       "unmanagedMetadata"},
                      kDeploymentsLeft);
    service.leave_out({"match", "rewrite", "headers", "timeout", "retries", "corsPolicy", "mirror"},
                      kRoutes);
  }

  void read_analysis(Part& analysis) {
    interval_ = analysis.duration("interval");
    const std::string threshold = analysis.text("threshold");
    if (!threshold.empty()) read_threshold(threshold, analysis.line_of("threshold"));
    read_weights(analysis);
    if (analysis.has("iterations")) {
      draft_.warn(analysis.line_of("iterations"),
                  "iterations is not carried over: canaryd always moves by weight, and a step is "
                  "over when its evidence is enough");
    }
    analysis.pass_over({"iterations"});
    analysis.leave_out({"match"}, "cohort.force sends requests with a header to the canary");
    analysis.leave_out({"mirror", "mirrorWeight"}, "routes[].mirror copies requests");
    analysis.leave_out({"stepWeightPromotion"}, "at 100 % stable is kept, so there is no way back");
    analysis.leave_out({"primaryReadyThreshold", "canaryReadyThreshold"}, kDeploymentsLeft);
    analysis.leave_out({"alerts"}, "hooks tell of states");
    Part affinity = analysis.part("sessionAffinity");
    read_affinity(affinity);
    for (Part& metric : analysis.items("metrics")) {
      read_metric(metric);
      metric.end();
    }
    for (Part& webhook : analysis.items("webhooks")) {
      read_webhook(webhook);
      webhook.end();
    }
  }

  void read_threshold(const std::string& threshold, std::uint32_t line) {
    const bool plain =
        threshold.size() <= 3 && std::all_of(threshold.begin(), threshold.end(), [](char c) {
          return c >= '0' && c <= '9';
        });
    if (plain) failures_ = static_cast<std::uint32_t>(std::stoul(threshold));
    draft_.warn(line,
                "threshold is not carried over for the built-in checks: canaryd rolls back as soon "
                "as the evidence says so, with known odds of an error");
  }

  void read_weights(Part& analysis) {
    double most = 100;
    if (const std::string text = analysis.text("maxWeight"); !text.empty()) {
      if (!percent_from(text, most)) {
        draft_.error(analysis.line_of("maxWeight"), "maxWeight is not a percentage");
      }
    }
    for (const auto& [line, weight] : analysis.words("stepWeights")) {
      add_step(draft_, rollout_, line, weight);
    }
    if (const std::string text = analysis.text("stepWeight"); !text.empty()) {
      const std::uint32_t line = analysis.line_of("stepWeight");
      double step = 0;
      if (!percent_from(text, step) || step < 1) {
        draft_.error(line, "stepWeight is not a percentage from 1 to 100");
        return;
      }
      const double room = most + 1e-9;
      for (int i = 1; step * i <= room && step * i <= 100; ++i) {
        add_step(draft_, rollout_, line, *number_from(std::to_string(step * i)));
      }
    }
    for (DraftStep& step : rollout_.steps) {
      if (interval_ && step.percent < 100) step.pause = *interval_;
    }
    if (!rollout_.steps.empty() && rollout_.steps.back().percent < 100) {
      draft_.warn(analysis.line_of(analysis.has("maxWeight") ? "maxWeight" : "stepWeights"),
                  "after the last weight Flagger promotes; here that is the step to 100 %");
    }
  }

  void read_affinity(Part& affinity) {
    if (!affinity.exists()) return;
    rollout_.cookie = affinity.text("cookieName");
    rollout_.cookie_age = affinity.duration("maxAge");
    affinity.leave_out({"primaryCookieName"}, "who is on stable is known by the same cookie");
    affinity.end();
    draft_.warn(affinity.line(),
                "sessionAffinity: users keep their version by a cookie, which every user gets");
  }

  void read_metric(Part& metric) {
    const std::string name = metric.text("name");
    const std::uint32_t line = metric.line();
    Part range = metric.part("thresholdRange");
    std::string min = range.text("min");
    std::string max = range.text("max");
    range.end();
    const std::string old = metric.text("threshold");
    const auto interval = metric.duration("interval");
    if (name == "request-success-rate") return limit_errors(min.empty() ? old : min, line);
    if (name == "request-duration") return limit_latency(max.empty() ? old : max, line);
    Part reference = metric.part("templateRef");
    metric.pass_over({"query"});
    Part variables = metric.part("templateVariables");
    if (variables.exists()) {
      draft_.warn(variables.line(), "templateVariables are not carried over");
    }
    if (!reference.exists()) {
      draft_.warn(line,
                  "the metric " + quoted(name) + " is not carried over: it has no templateRef");
      return;
    }
    DraftQuery query;
    query.name = name_from(name);
    query.interval = interval;
    query.failures = failures_;
    if (!min.empty()) query.min = number_from(min).value_or("");
    if (!max.empty()) query.max = number_from(max).value_or("");
    if (query.min.empty() && query.max.empty()) {
      draft_.warn(line, "the metric " + quoted(name) + " is not carried over: it has no bound");
      return;
    }
    const std::string wanted = reference.text("name");
    const std::string space = reference.text("namespace");
    reference.end();
    read_template(wanted, space.empty() ? name_space_ : space, std::move(query), line);
  }

  // Percent of requests that succeed, at least.
  void limit_errors(const std::string& least, std::uint32_t line) {
    double value = 0;
    if (!percent_from(least, value) || value <= 0 || value >= 100) {
      draft_.warn(line,
                  "request-success-rate is not carried over: its bound is no percentage "
                  "between 0 and 100");
      return;
    }
    rollout_.limit_errors = *number_from(std::to_string(100 - value));
    draft_.warn(line,
                "request-success-rate is the absolute limit analysis.limits.errors; besides, the "
                "canary is compared with stable");
  }

  // Milliseconds, at the 99th percentile.
  void limit_latency(const std::string& most, std::uint32_t line) {
    const auto parsed = parse_duration(most + "ms");
    if (!parsed || *parsed <= Duration::zero()) {
      draft_.warn(line,
                  "request-duration is not carried over: its bound is no whole number of "
                  "milliseconds");
      return;
    }
    rollout_.limit_p99 = format_duration(*parsed);
    draft_.warn(line,
                "request-duration is the absolute limit analysis.limits.latency_p99; besides, the "
                "canary is compared with stable");
  }

  void read_template(const std::string& wanted,
                     const std::string& name_space,
                     DraftQuery query,
                     std::uint32_t line) {
    const auto give_up = [&](const std::string& why) {
      draft_.warn(line, "the metric template " + quoted(wanted) + " is not carried over: " + why);
    };
    const Manifest* const found = find_manifest(manifests_, "MetricTemplate", name_space, wanted);
    if (found == nullptr) {
      return give_up("it is not in this file" +
                     (name_space.empty() ? std::string() : ", in namespace " + name_space));
    }
    Part top(draft_, &found->root, "");
    Part spec = top.part("spec");
    Part provider = spec.part("provider");
    if (provider.text("type") != "prometheus") return give_up("only prometheus is known");
    query.prometheus = provider.text("address");
    provider.leave_out({"secretRef", "insecureSkipVerify", "headers", "region"},
                       "see authorization_file of a query");
    provider.end();
    query.query = spec.text("query");
    spec.end();
    if (!put_in(query.query, values()))
      return give_up("its query has variables that are not known here");
    if (!parse_http_url(query.prometheus)) return give_up("its address is not http://");
    query.line = line;
    add_query(draft_, rollout_, std::move(query));
  }

  // The variables of Flagger; a query of ours has {{interval}} too.
  [[nodiscard]] Values values() const {
    Values known{{"name", rollout_.name}, {"interval", "{{interval}}"}};
    if (!name_space_.empty()) known["namespace"] = name_space_;
    if (!target_.empty()) known["target"] = known["service"] = target_;
    return known;
  }

  void read_webhook(Part& webhook) {
    const std::string name = webhook.text("name");
    const std::string type = webhook.has("type") ? webhook.text("type") : "rollout";
    const std::string url = webhook.text("url");
    webhook.leave_out({"metadata"}, "canaryd sends a JSON of its own");
    webhook.leave_out({"timeout", "retries", "muteAlert", "disableTLS"}, "see timeout of a hook");
    const std::uint32_t line = webhook.line();
    const std::string what = "the webhook " + quoted(name) + " (" + type + ")";
    if (type == "confirm-promotion") return add_promotion_gate(what, line);
    if (!parse_http_url(url)) {
      draft_.warn(line, what + " is not carried over: " + quoted(url) + " is no http:// address");
      return;
    }
    if (type == "rollout" || type == "pre-rollout") {
      DraftQuery query;
      query.name = name_from(name);
      query.webhook = url;
      query.line = line;
      query.interval = interval_;
      query.failures = failures_;
      if (add_query(draft_, rollout_, std::move(query))) {
        draft_.warn(line, what + " is a query: asked at every step, and a 4xx is bad");
      }
    } else if (type == "confirm-rollout" || type == "confirm-traffic-increase") {
      rollout_.hooks.push_back({"before_step", url, line});
      draft_.warn(line, what + " is a hook that is asked before every step");
    } else if (type == "post-rollout") {
      rollout_.hooks.push_back({"promoted, rolled_back, aborted", url, line});
      draft_.warn(line, what + " is a hook that is told of the end");
    } else if (type == "event") {
      rollout_.hooks.push_back(
          {"progressing, waiting, held, suspended, paused, baking, promoted, rolled_back, aborted",
           url,
           line});
    } else {
      draft_.warn(line, what + " is not carried over: see canaryctl abort and rollback");
    }
  }

  // On the last step below 100 %. Where there is none, as in a test by iterations, it is one of the
  // defaults: what nobody has confirmed must not be promoted.
  void add_promotion_gate(const std::string& what, std::uint32_t line) {
    if (rollout_.steps.empty()) add_default_steps(rollout_);
    const auto step = std::find_if(rollout_.steps.rbegin(),
                                   rollout_.steps.rend(),
                                   [](const DraftStep& one) { return one.percent < 100; });
    if (step == rollout_.steps.rend()) {
      rollout_.manual = true;
      return draft_.warn(line,
                         what +
                             " has no step below 100 % to wait at: the rollout waits for "
                             "`canaryctl start " +
                             rollout_.name + "`, and nobody asks the address");
    }
    step->gate = "confirm-promotion";
    draft_.warn(line,
                what + " is a gate, which `canaryctl approve " + rollout_.name + " " + step->gate +
                    "` opens; nobody asks the address");
  }

  Draft& draft_;
  const std::vector<Manifest>& manifests_;
  DraftRollout rollout_;
  std::string name_space_;
  std::string target_;
  std::optional<Duration> interval_;
  std::uint32_t failures_ = 0;
};

}  // namespace

void read_flagger(Draft& draft, std::string_view text) {
  const std::vector<Manifest> manifests = read_manifests(draft, text);
  for (const Manifest& manifest : manifests) {
    if (manifest.kind == "Canary") {
      Canary(draft, manifests).read(manifest.root);
    } else if (manifest.kind != "MetricTemplate") {
      draft.warn(manifest.root.place.line,
                 "kind " + quoted(manifest.kind) + " is not carried over: nothing of it is a plan");
    }
  }
  if (draft.rollouts.empty() && draft.errors.empty()) {
    draft.error(0, "there is no document of kind Canary in the file");
  }
  if (draft.rollouts.size() > 1) {
    draft.error(draft.rollouts[1].line,
                "there are several canaries in the file: convert them one by one, each needs a "
                "route of its own");
  }
  for (const DraftRollout& rollout : draft.rollouts) {
    draft.routes.push_back({rollout.name, "", "/", false, rollout.name, "", rollout.line});
  }
}

}  // namespace canaryd::convert
