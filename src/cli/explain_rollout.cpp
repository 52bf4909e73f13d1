#include "cli/explain_rollout.hpp"

#include "canaryd/base/text.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/parity_text.hpp"
#include "cli/query_text.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace canaryd::cli {
namespace {

constexpr std::size_t kMetricsMax = 50;
constexpr std::size_t kFiguresMax = 1000;

void add_line(std::string& out, std::string_view line) {
  append_printable(out, line);
  out += '\n';
}

// "61 %", of the way to a decision.
std::string share_text(std::optional<double> share) {
  return format_count(std::round(100 * std::clamp(share.value_or(0), 0.0, 1.0))) + " %";
}

std::string state_sentence(JsonView rollout) {
  std::string text = rollout["name"].text() + ": " + state_text(rollout["state"].text());
  if (const std::string reason = rollout["reason"].text(); !reason.empty()) text += ", " + reason;
  text += "; weight " + format_share(rollout["weight"]["target"].number()) + " %";
  const auto index = rollout["step"]["index"].number();
  if (index) {
    text += ", step " + format_count(*index + 1) + " of " +
            format_count(rollout["step"]["count"].number()) + ", judged by " +
            format_count(rollout["step"]["requests"].number()) +
            (rollout["step"]["requests"].number() == 1.0 ? " canary request" : " canary requests");
  }
  if (const std::string time = rollout["for"].text(); !time.empty()) text += ", for " + time;
  return text;
}

std::string traffic_sentence(JsonView rollout) {
  const JsonView weight = rollout["weight"];
  const auto fits = weight["sample_ratio_ok"].flag();
  if (weight["actual"].is_null() || !fits) return {};
  std::string text = "  the canary gets " + format_share(weight["actual"].number()) +
                     " % of the requests where the weight is " +
                     format_share(weight["target"].number()) + " %";
  if (!*fits) text += ": few users, many requests of one, or a cache in front? Look at cohort.keys";
  return text;
}

// An absolute bound: stable is no part of it, and neither is the next step.
bool is_limit(JsonView metric) {
  return metric["metric"].text().starts_with("limit_");
}

constexpr const char* kNotJudged = ": not judged yet; the canary warms up, or has no traffic";

// Requests come, and none of them counts for an absolute bound.
std::string unjudged_limit(JsonView rollout) {
  if (rollout["step"]["requests"].number().value_or(0) <= 0) return ": no traffic yet";
  const std::string reason = rollout["reason"].text();
  const bool fails =
      reason == "environment_degraded" || reason == "stable_down" ||
      rollout["next"].text().find("stable has no healthy endpoint") != std::string::npos;
  return fails ? ": not judged while stable fails" : ": not judged yet";
}

std::string limit_sentence(JsonView rollout, JsonView metric, const std::string& as_of) {
  const std::string name = metric["metric"].text();
  const bool latency = name.starts_with("limit_latency");
  const JsonView slow = metric["slow"];
  const auto canary = latency ? slow["canary"].number() : metric["canary"].number();
  const auto allowed = latency ? slow["tolerated"].number() : metric["tolerated"].number();
  if ((!canary || !allowed) && !as_of.empty()) return "  " + name + as_of + ": not judged";
  if (!canary || !allowed) return "  " + name + (latency ? kNotJudged : unjudged_limit(rollout));
  return "  " + name + as_of + ": canary " + format_ratio(canary) + ", at most " +
         format_ratio(allowed) + (latency ? " may be slower than the limit" : " may fail");
}

// Latency during `warm_up`, or before stable's is known: an account that stands still says nothing.
bool is_not_judged(JsonView metric) {
  return metric["slow"].is_object() && !metric["slow"]["canary"].number();
}

// Of evidence that has come to its end: figures of before are no word of what users meet now.
std::string as_of_text(JsonView rollout) {
  if (has_ended(rollout)) return ", as of its end";
  const bool has_begun = rollout["state"].text() != "idle";
  return has_begun && !is_judged_now(rollout) ? ", as of the last evidence" : "";
}

// Below figures of before.
std::string since_then_sentence(JsonView rollout) {
  const JsonView cohorts = rollout["cohorts"];
  const auto stable = cohorts["stable"]["error_rate"].number();
  const auto canary = cohorts["canary"]["error_rate"].number();
  if (!stable && !canary) return {};
  return "    of all requests of this run, also since then: canary " + format_ratio(canary) +
         ", stable " + format_ratio(stable);
}

// Latencies are shown as they are now, which is nothing that was judged.
std::string judged_latency(JsonView metric) {
  if (is_not_judged(metric)) return "not judged";
  const std::string verdict = metric["verdict"].text();
  if (verdict == "pass") return "good";
  return verdict == "fail" ? "bad" : "open";
}

// stable_serves: somebody is sent there. as_of: behind the name, where the figures are of before.
std::string rates_sentence(JsonView rollout,
                           JsonView metric,
                           bool stable_serves,
                           const std::string& as_of) {
  if (is_limit(metric)) return limit_sentence(rollout, metric, as_of);
  const auto canary = metric["canary"].number();
  const auto stable = metric["stable"].number();
  const std::string name = metric["metric"].text();
  const bool is_score = name == "feedback";
  const auto value = [&](std::optional<double> of) {
    if (is_score) return format_score(of);
    return name.starts_with("latency_") ? format_latency(of) : format_ratio(of);
  };
  if (!stable_serves) {
    const std::string text = "not compared: nobody is sent to stable";
    return "  " + name + as_of + ": " + (canary ? "canary " + value(canary) + ", " : "") + text;
  }
  if (!as_of.empty() && name.starts_with("latency_")) {
    return "  " + name + as_of + ": " + judged_latency(metric);
  }
  if (is_not_judged(metric)) {
    return "  " + name +
           ": not judged yet; the canary warms up or has no traffic, or stable's latency is not "
           "known";
  }
  if (!canary || !stable) {
    return "  " + name + as_of + ": nothing to compare" + (as_of.empty() ? " yet" : "");
  }
  std::string text =
      "  " + name + as_of + ": canary " + value(canary) + ", stable " + value(stable);
  if (const auto tolerated = metric["tolerated"].number()) {
    const std::string_view is = as_of.empty() ? "is" : "was";
    const bool worse = is_score ? *canary < *tolerated : *canary > *tolerated;
    text += (is_score ? "; down to " : "; up to ") + value(tolerated);
    text.append(" ").append(is).append(" tolerated, and the canary ").append(is);
    text += !worse ? " within it" : is_score ? " below it" : " above it";
  }
  return text;
}

// Requests, because they count; the time is what they take at the rate of this step.
std::string needs_text(JsonView rollout, JsonView metric) {
  if (rollout["condemned"].flag().value_or(false)) return "a bad verdict stands: none is taken";
  const std::string time = metric["needs_about"].text();
  if (time.empty()) return "it does not move that way now";
  std::string text = "about " + time + " more";
  const auto requests = metric["needs_requests"].number();
  if (!requests || *requests <= 0) return text;
  return text + " at the present rate, or " + format_count(*requests) + " canary requests";
}

void add_metric(std::string& out, JsonView rollout, JsonView metric) {
  const bool stable_serves = rollout["weight"]["target"].number().value_or(0) < 100;
  if (const std::string query = query_text(metric); !query.empty()) {
    add_line(out, "  " + query);
    return;
  }
  const std::string as_of = as_of_text(rollout);
  add_line(out, rates_sentence(rollout, metric, stable_serves, as_of));
  if (stable_serves && !as_of.empty() && metric["metric"].text() == "errors") {
    if (const std::string now = since_then_sentence(rollout); !now.empty()) add_line(out, now);
  }
  if (stable_serves && is_not_judged(metric)) return;
  const auto rollback = metric["evidence"]["rollback"].number();
  const auto accept = metric["evidence"]["accept"].number();
  if (!rollback && !accept) return;
  const std::string verdict = metric["verdict"].text();
  if (verdict == "fail") {
    add_line(out, "    bad: the evidence that a rollback needs is there");
    return;
  }
  add_line(
      out,
      metric["metric"].text() == "client_errors"
          ? std::string("    against it: nothing; too many of these hold, and never roll back")
          : "    against it: " + share_text(rollback) + " of the evidence that a rollback needs");
  const bool errors = metric["slow"].is_null();
  const auto effect = (errors ? metric : metric["slow"])["design_effect"].number();
  if (!is_limit(metric) && effect && *effect > 1) {
    add_line(out,
             "    divided by " + format_count(std::ceil(*effect)) +
                 ": clients differ in it, and the versions by no more than that allows");
  }
  if (!accept) return;  // No step waits for it.
  if (verdict == "pass") {
    add_line(out, "    for it: all of the evidence that the next step needs");
    return;
  }
  add_line(out,
           "    for it: " + share_text(accept) + " of the evidence that the next step needs; " +
               needs_text(rollout, metric));
}

std::string figure_line(JsonView figure) {
  const std::string recorded = figure["recorded"].text();
  const std::string recomputed = figure["recomputed"].text();
  std::string text = "    " + figure["name"].text() + " ";
  if (recorded != recomputed) return text + "recorded " + recorded + ", now " + recomputed;
  return text + format_rate(figure["value"].number());
}

}  // namespace

Result<std::string> render_reasons(std::string_view rollout, std::string_view history) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(rollout));
  const JsonView view(document);
  if (!view.is_object()) return fail(ErrorCode::kMalformed, "the answer is not a rollout");
  std::string out;
  add_line(out, state_sentence(view));
  if (const std::string traffic = traffic_sentence(view); !traffic.empty()) add_line(out, traffic);
  const JsonView metrics = view["analysis"];
  for (std::size_t i = 0; i < std::min(metrics.size(), kMetricsMax); ++i) {
    add_metric(out, view, metrics[i]);
  }
  for (const std::string& line : parity_lines(view)) add_line(out, "  " + line);
  if (const std::string next = view["next"].text(); !next.empty()) add_line(out, "  next: " + next);
  const auto past = history.empty() ? boost::json::value() : parse_json(history).value_or(nullptr);
  const JsonView rows = JsonView(past)["items"];
  if (rows.size() > 0) {
    const JsonView last = rows[rows.size() - 1];
    add_line(out, "  last: " + last["time"].text() + "  " + last["message"].text());
  }
  return out;
}

Result<std::string> render_verification(std::string_view verification) {
  CANARYD_TRY_ASSIGN(const boost::json::value document, parse_json(verification));
  const JsonView view(document);
  if (!view.is_object()) return fail(ErrorCode::kMalformed, "the answer is not a verification");
  std::string out;
  add_line(out,
           format_count(view["id"].number()) + "  " + view["time"].text() + "  " +
               view["message"].text());
  std::string result = view["result"].text();
  std::replace(result.begin(), result.end(), '_', ' ');
  add_line(out, "  " + result + ": " + view["why"].text());
  const JsonView figures = view["figures"];
  if (figures.size() == 0) return out;
  add_line(out,
           "  verdict " + view["decision"].text() + ", of " + format_count(view["rows"].number()) +
               " rows of evidence of run " + format_count(view["run"].number()) + ":");
  for (std::size_t i = 0; i < std::min(figures.size(), kFiguresMax); ++i) {
    add_line(out, figure_line(figures[i]));
  }
  return out;
}

bool is_same_verdict(std::string_view verification) {
  const auto document = parse_json(verification);
  return document && JsonView(*document)["result"].text() == "same";
}

}  // namespace canaryd::cli
