// Argo Rollouts: kind Rollout with the canary strategy, and the AnalysisTemplates of the same file.
#include "canaryd/base/units.hpp"
#include "canaryd/base/url.hpp"
#include "convert/pods.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <set>
#include <tuple>

namespace canaryd::convert {
namespace {

constexpr const char* kPodsLeft = "canaryd moves requests, and leaves pods to others";
constexpr Duration kPauseMost = std::chrono::hours(24 * 1000);

class Rollout {
 public:
  Rollout(Draft& draft, const std::vector<Manifest>& manifests)
      : draft_(draft), manifests_(manifests), services_(by_name(manifests, "Service")) {}

  void read(const config::Node& root) {
    read_rollout(draft_, root, rollout_, name_space_, [this](Part& spec) { read_spec(spec); });
  }

 private:
  void read_spec(Part& spec) {
    read_template(spec.part("template"));
    if (spec.text("paused") == "true") {
      rollout_.manual = true;
      draft_.warn(spec.line_of("paused"), "paused: the rollout waits for `canaryctl start`");
    }
    spec.leave_out({"replicas",
                    "selector",
                    "workloadRef",
                    "minReadySeconds",
                    "revisionHistoryLimit",
                    "restartAt",
                    "rollbackWindow"},
                   kPodsLeft);
    spec.leave_out({"progressDeadlineSeconds", "progressDeadlineAbort"},
                   "max_duration of a step and on_inconclusive say what happens without a verdict");
    spec.leave_out({"analysis"}, "it is about how many runs are kept; see canaryctl history");
    Part strategy = spec.part("strategy");
    if (strategy.has("blueGreen")) {
      draft_.error(strategy.line_of("blueGreen"),
                   "only the canary strategy is known; for blue-green use one step of 100 with a "
                   "gate before it");
    }
    strategy.pass_over({"blueGreen"});
    Part canary = strategy.part("canary");
    if (!canary.exists() && draft_.errors.empty()) {
      draft_.error(spec.line(), "spec.strategy.canary is missing");
    }
    read_canary(canary);
    canary.end();
    strategy.end();
  }

  // Of the pods only two things count: the version, and the port.
  void read_template(Part pod) {
    if (!pod.exists()) return;
    Part inner = pod.part("spec");
    containers_ = read_containers(inner);
    containers_line_ = inner.line_of("containers");
    draft_.warn(pod.line(),
                "spec.template: of the pods only the image's tag, as revision, and the port are "
                "carried over");
  }

  // Before the versions: a Service that is not in this file is looked up with the container's port.
  void choose_container(Part& canary) {
    choose_ports(canary);
    std::vector<std::string> target_ports;
    for (const ServicePort& port : {stable_port_, canary_port_}) {
      if (!port.target.empty()) target_ports.push_back(port.target);
    }
    const Container* const container = released_container(containers_, target_ports, rollout_.name);
    if (container == nullptr) return;
    rollout_.revision = revision_of(container->image);
    container_port_ = port_of(*container, target_ports);
    if (containers_.size() == 1) return;
    draft_.warn(containers_line_,
                "spec.template has several containers: revision and port are those of " +
                    quoted(container->name));
  }

  void read_canary(Part& canary) {
    choose_container(canary);
    add_versions(canary);
    Part routing = canary.part("trafficRouting");
    read_whole_weight(routing);
    // Before those of the steps: it has the arguments more often.
    Part analysis = canary.part("analysis");
    read_analysis(analysis);
    for (Part& step : canary.items("steps")) {
      read_step(step);
      step.end();
    }
    canary.leave_out({"trafficRouting"}, "canaryd is the router itself");
    canary.leave_out({"canaryMetadata",
                      "stableMetadata",
                      "maxSurge",
                      "maxUnavailable",
                      "antiAffinity",
                      "scaleDownDelaySeconds",
                      "scaleDownDelayRevisionLimit",
                      "abortScaleDownDelaySeconds",
                      "dynamicStableScale",
                      "pingPong",
                      "minPodsPerReplicaSet"},
                     kPodsLeft);
  }

  // Services of Kubernetes, by name: that works where those names are resolved.
  void add_versions(Part& canary) {
    const auto add = [&](const char* key, const char* otherwise, const std::string& port) {
      const std::string service = canary.text(key);
      DraftUpstream upstream;
      upstream.line = canary.line_of(key);
      upstream.name = name_from(service.empty() ? rollout_.name + otherwise : service);
      if (service.empty()) {
        upstream.endpoints.push_back(
            {otherwise[1] == 's' ? "127.0.0.1:9001" : "127.0.0.1:9002", {}});
        draft_.warn(canary.line(),
                    std::string(key) +
                        " is missing: put the addresses of that version in place of " +
                        upstream.endpoints.front().address);
      } else {
        upstream.dns = service_address(service, name_space_, port.empty() ? container_port_ : port);
        draft_.warn(canary.line_of(key),
                    "upstream " + upstream.name + " is looked up as " + upstream.dns +
                        ": canaryd has to run where that name is known");
      }
      if (draft_.find_upstream(upstream.name) == nullptr) draft_.upstreams.push_back(upstream);
      return upstream.name;
    };
    rollout_.stable = add("stableService", "-stable", stable_port_.number);
    rollout_.canary = add("canaryService", "-canary", canary_port_.number);
  }

  // Of two versions the same port: one of them may have others as well, such as that of metrics.
  void choose_ports(Part& canary) {
    const std::string stable_name = canary.text("stableService");
    const std::string canary_name = canary.text("canaryService");
    const std::vector<ServicePort> of_stable = read_service_ports(draft_, services_, stable_name);
    const std::vector<ServicePort> of_canary = read_service_ports(draft_, services_, canary_name);
    std::tie(stable_port_, canary_port_) = released_ports(of_stable, of_canary);
    const auto warn = [&](const char* key, std::size_t ports, const ServicePort& taken) {
      if (ports < 2) return;
      draft_.warn(canary.line_of(key),
                  "the Service " + quoted(canary.text(key)) +
                      " has several ports: " + taken.number +
                      (taken.name.empty() ? "" : ", " + taken.name + ",") + " is taken");
    };
    warn("stableService", of_stable.size(), stable_port_);
    if (canary_name != stable_name) warn("canaryService", of_canary.size(), canary_port_);
  }

  // What a weight is a part of, where that is not 100.
  void read_whole_weight(Part& routing) {
    const std::string whole = routing.text("maxTrafficWeight");
    if (whole.empty()) return;
    const auto [end, error] =
        std::from_chars(whole.data(), whole.data() + whole.size(), whole_weight_);
    if (error == std::errc() && end == whole.data() + whole.size() && whole_weight_ > 0) return;
    draft_.error(routing.line_of("maxTrafficWeight"),
                 "maxTrafficWeight " + quoted(whole) + " is no whole number above 0");
  }

  std::string in_percent(const std::string& weight) const {
    std::uint32_t parts = 0;
    const auto [end, error] = std::from_chars(weight.data(), weight.data() + weight.size(), parts);
    const bool plain = error == std::errc() && end == weight.data() + weight.size();
    if (whole_weight_ == 100 || !plain) return weight;
    return number_from(std::to_string(100.0 * parts / whole_weight_)).value_or(weight);
  }

  void read_step(Part& step) {
    if (step.has("setWeight")) {
      add_step(draft_, rollout_, step.line_of("setWeight"), in_percent(step.text("setWeight")));
    }
    if (step.has("pause")) read_pause(step);
    if (step.has("analysis")) {
      Part analysis = step.part("analysis");
      read_analysis(analysis);
    }
    step.leave_out({"setHeaderRoute"}, "cohort.force sends requests with a header to the canary");
    step.leave_out({"setMirrorRoute"}, "routes[].mirror copies requests");
    step.leave_out({"setCanaryScale", "replicaProgressThreshold"}, kPodsLeft);
    step.leave_out({"experiment", "plugin"}, "there is nothing like it in canaryd");
  }

  void read_pause(Part& step) {
    const std::uint32_t line = step.line_of("pause");
    const std::size_t errors = draft_.errors.size();
    Part pause = step.part("pause");
    const auto length = pause.duration("duration");
    pause.end();
    if (draft_.errors.size() > errors) return;  // A wrong duration is none that is left out.
    if (rollout_.steps.empty()) return read_first_pause(line, length.has_value());
    DraftStep& last = rollout_.steps.back();
    if (length) {
      if (*length > kPauseMost - last.pause) {
        draft_.error(line, "the pauses of this step are longer than 1000 days");
      } else {
        last.pause += *length;
      }
      return;
    }
    if (!last.gate.empty()) return;
    last.gate = "after-" + std::to_string(rollout_.steps.size());
    draft_.warn(line,
                "the pause without a duration is a gate, which `canaryctl approve " +
                    rollout_.name + " " + last.gate + "` opens");
  }

  // Before the first weight nobody is on the canary.
  void read_first_pause(std::uint32_t line, bool ends) {
    if (ends) {
      draft_.warn(line, "the pause before the first weight is left out; see `start: manual`");
      return;
    }
    rollout_.manual = true;
    draft_.warn(line,
                "the pause before the first weight: the rollout waits for `canaryctl start " +
                    rollout_.name + "`");
  }

  void read_analysis(Part& analysis) {
    if (!analysis.exists()) return;
    draft_.warn(analysis.line(),
                "analysis: canaryd compares the canary with stable at every step, whether there is "
                "one here or not; its metrics are asked as well, all the time");
    Values arguments;
    for (Part& argument : analysis.items("args")) {
      const std::string name = argument.text("name");
      if (argument.has("value")) arguments["args." + name] = argument.text("value");
      argument.leave_out({"valueFrom"}, "its value is not in this file");
    }
    for (Part& dry : analysis.items("dryRun")) dry_runs_.insert(dry.text("metricName"));
    for (Part& name : analysis.items("templates")) {
      const std::string wanted = name.text("templateName");
      const bool of_cluster = name.text("clusterScope") == "true";
      const std::string kind = of_cluster ? "ClusterAnalysisTemplate" : "AnalysisTemplate";
      if (!read_template_named(kind, wanted, arguments)) {
        draft_.warn(name.line(),
                    "the " + kind + " " + quoted(wanted) +
                        " is not in this file; put it there, or write analysis.queries");
      }
    }
    analysis.leave_out({"startingStep"}, "queries are asked from the first step on");
    analysis.leave_out({"measurementRetention", "analysisRunMetadata"},
                       "there is nothing like it in canaryd");
    analysis.end();
  }

  // Once for each, whoever names it again.
  bool read_template_named(const std::string& kind,
                           const std::string& wanted,
                           const Values& given) {
    const Manifest* const found = find_manifest(
        manifests_, kind, kind == "AnalysisTemplate" ? name_space_ : std::string(), wanted);
    if (found == nullptr) return false;
    if (!read_.insert(found).second) return true;
    Part top(draft_, &found->root, "");
    Part spec = top.part("spec");
    Values arguments;
    for (Part& argument : spec.items("args")) {
      const std::string name = argument.text("name");
      if (argument.has("value")) arguments["args." + name] = argument.text("value");
    }
    for (const auto& [name, value] : given) arguments[name] = value;
    for (Part& metric : spec.items("metrics")) {
      read_metric(metric, arguments);
      metric.end();
    }
    spec.end();
    return true;
  }

  void read_metric(Part& metric, const Values& arguments) {
    DraftQuery query;
    const std::string name = metric.text("name");
    query.name = name_from(name);
    const std::uint32_t line = metric.line();
    query.interval = metric.duration("interval");
    metric.leave_out({"count",
                      "initialDelay",
                      "consecutiveErrorLimit",
                      "inconclusiveLimit",
                      "consecutiveSuccessLimit"},
                     "queries are asked for as long as the rollout runs, and no answer holds it");
    read_failures(metric, query);
    const std::string success = metric.text("successCondition");
    const std::string failure = metric.text("failureCondition");
    Part provider = metric.part("provider");
    Part prometheus = provider.part("prometheus");
    const auto give_up = [&](const std::string& why) {
      draft_.warn(line, "the metric " + quoted(name) + " is not carried over: " + why);
    };
    if (dry_runs_.contains(name) || dry_runs_.contains(".*")) {
      return give_up("it is a dry run, of which nothing comes");
    }
    if (!prometheus.exists()) return give_up("only provider.prometheus is known");
    query.prometheus = prometheus.text("address");
    query.query = prometheus.text("query");
    prometheus.leave_out({"authentication", "headers", "insecure", "timeout", "rangeQuery"},
                         "see authorization_file and timeout of a query");
    prometheus.end();
    if (!put_in(query.query, arguments) || !put_in(query.prometheus, arguments)) {
      return give_up("it needs arguments whose values are not in this file");
    }
    if (!parse_http_url(query.prometheus)) {
      return give_up(quoted(query.prometheus) + " is no http:// address");
    }
    if (!failure.empty() && success.empty()) {
      return give_up("write its failureCondition as min or max of a query");
    }
    const auto condition = read_condition(success);
    if (!condition) {
      return give_up("its condition " + quoted(success) + " is not one comparison with a number");
    }
    set_bound(*condition, name, line, query);
    if (!failure.empty()) {
      draft_.warn(line,
                  "the failureCondition of " + quoted(name) +
                      " is left out: what is not "
                      "good is bad");
    }
    query.line = line;
    add_query(draft_, rollout_, std::move(query));
  }

  void set_bound(const Condition& condition,
                 const std::string& metric,
                 std::uint32_t line,
                 DraftQuery& query) {
    (condition.below ? query.max : query.min) = condition.bound;
    if (!condition.exclusive) return;
    draft_.warn(line,
                "the metric " + quoted(metric) + ": " + condition.number + " itself is bad, so " +
                    (condition.below ? "max" : "min") + " is just beside it, " + condition.bound);
  }

  // failureLimit failures are borne; the next one is too many. Argo's own default is none, which is
  // fewer than that of a query.
  void read_failures(Part& metric, DraftQuery& query) {
    std::string limit = metric.text("failureLimit");
    if (limit.empty()) limit = "0";
    const bool plain = limit.size() <= 3 && std::all_of(limit.begin(), limit.end(), [](char c) {
                         return c >= '0' && c <= '9';
                       });
    if (!plain) {
      draft_.warn(metric.line_of("failureLimit"),
                  "failureLimit " + quoted(limit) +
                      " is left out: it is no number below 1000; 3 bad readings in a row "
                      "roll back, as by default");
      return;
    }
    query.failures = static_cast<std::uint32_t>(std::stoul(limit)) + 1;
    if (query.failures == 1) return;  // One of all and one in a row are the same.
    draft_.warn(metric.line_of("failureLimit"),
                "failureLimit counts all failures, failures of a query those in a row");
  }

  Draft& draft_;
  const std::vector<Manifest>& manifests_;
  const ManifestsByName services_;
  std::set<const Manifest*> read_;  // Of the templates.
  std::set<std::string> dry_runs_;  // Names of metrics; ".*" is all of them.
  std::uint32_t whole_weight_ = 100;
  DraftRollout rollout_;
  std::string name_space_;
  std::vector<Container> containers_;
  std::uint32_t containers_line_ = 0;
  std::string container_port_;
  ServicePort stable_port_;  // Empty: the Service is not in this file.
  ServicePort canary_port_;
};

}  // namespace

void read_argo(Draft& draft, std::string_view text) {
  const std::vector<Manifest> manifests = read_manifests(draft, text);
  for (const Manifest& manifest : manifests) {
    if (manifest.kind == "Rollout") {
      Rollout(draft, manifests).read(manifest.root);
    } else if (manifest.kind != "Service" && !manifest.kind.ends_with("AnalysisTemplate")) {
      draft.warn(manifest.root.place.line,
                 "kind " + quoted(manifest.kind) + " is not carried over: nothing of it is a plan");
    }
  }
  if (draft.rollouts.empty() && draft.errors.empty()) {
    draft.error(0, "there is no document of kind Rollout in the file");
  }
  for (const DraftRollout& rollout : draft.rollouts) {
    draft.routes.push_back({rollout.name, "", "/", false, rollout.name, "", rollout.line});
  }
  if (draft.rollouts.size() > 1) {
    draft.error(draft.rollouts[1].line,
                "there are several rollouts in the file: convert them one by one, each needs a "
                "route of its own");
  }
}

}  // namespace canaryd::convert
