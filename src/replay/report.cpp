#include "canaryd/replay/report.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"

#include <chrono>
#include <cmath>

namespace canaryd::replay {
namespace {

std::string time_text(std::int64_t ms) {
  return format_time(WallTime(std::chrono::milliseconds(ms)));
}

std::string plural(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

// ---- JSON

void key(std::string& out, const char* name) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += name;
  out += "\":";
}
void member(std::string& out, const char* name, std::string_view text) {
  key(out, name);
  append_json_string(out, text);
}
void member(std::string& out, const char* name, std::uint64_t count) {
  key(out, name);
  out += std::to_string(count);
}
void member(std::string& out, const char* name, const std::optional<std::int64_t>& number) {
  key(out, name);
  out += number ? std::to_string(*number) : "null";
}
void member(std::string& out, const char* name, const std::optional<double>& number) {
  key(out, name);
  append_json_number(out, number.value_or(std::nan("")));
}

void append_metric(std::string& out, const analysis::MetricReport& metric) {
  out += '{';
  member(out, "metric", metric.name);
  member(out, "verdict", analysis::to_string(metric.state));
  member(
      out, "evidence_rollback", std::optional(analysis::shown_evidence(metric.rollback_evidence)));
  member(out, "evidence_accept", std::optional(analysis::shown_evidence(metric.accept_evidence)));
  member(out, "stable", metric.stable_rate);
  member(out, "canary", metric.canary_rate);
  member(out, "tolerated", metric.tolerated_rate);
  out += '}';
}

void append_event(std::string& out, const Event& event) {
  out += '{';
  member(out, "at_ms", std::optional(event.at_ms));
  member(out, "event", to_string(event.kind));
  member(out, "weight", std::optional(event.weight.percent()));
  member(out, "next_weight", std::optional(event.next_weight.percent()));
  member(out, "canary_requests", event.canary_requests);
  if (!event.reason.empty()) member(out, "reason", event.reason);
  out += '}';
}

template <class Item, class Append>
void array(std::string& out, const char* name, const std::vector<Item>& items, Append append) {
  key(out, name);
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    append(out, items[i]);
  }
  out += ']';
}

// ---- Text

std::string event_text(const Event& event) {
  const std::string weight = format_percent(event.weight) + " %";
  switch (event.kind) {
    case EventKind::kStep:
      return "weight " + weight + ", judged for " + format_percent(event.next_weight) + " %";
    case EventKind::kRevision:
      return "another revision: evidence begins anew";
    case EventKind::kAccept:
      return "accepted at " + weight + ": " + event.reason;
    case EventKind::kRollback:
      return "rollback at " + weight + ": " + event.reason;
  }
  return {};
}

std::string headline(const Outcome& outcome) {
  std::string text(analysis::to_string(outcome.decision));
  if (outcome.at_ms && outcome.began_ms) {
    const auto into = std::chrono::milliseconds(*outcome.at_ms - *outcome.began_ms);
    text += outcome.decision == analysis::Decision::kHold ? ", until " : " at ";
    text += time_text(*outcome.at_ms) + ", " + format_duration_brief(into) + " into the recording";
  }
  return text + ": " + outcome.summary + "\n";
}

}  // namespace

std::string render_json(const Outcome& outcome, const LineCounts& lines) {
  std::string out = "{";
  member(out, "verdict", analysis::to_string(outcome.decision));
  member(out, "at_ms", outcome.at_ms);
  member(out, "canary_requests", outcome.canary_requests);
  member(out, "stable_requests", outcome.stable_requests);
  member(out, "reason", outcome.reason);
  member(out, "summary", outcome.summary);
  array(out, "metrics", outcome.verdict.metrics, append_metric);
  array(out, "timeline", outcome.timeline, append_event);
  member(out, "events_left_out", outcome.events_left_out);
  member(out, "canary_share", outcome.canary_share);
  key(out, "lines");
  out += '{';
  member(out, "read", lines.read);
  member(out, "evidence", lines.evidence);
  member(out, "late", outcome.late_requests);
  member(out, "skipped", lines.skipped);
  out += "}}\n";
  return out;
}

std::string render_text(const Outcome& outcome, const LineCounts& lines) {
  std::string out = headline(outcome);
  out += "  judged " + plural(outcome.canary_requests, "canary request", "canary requests") +
         " and " + std::to_string(outcome.stable_requests) + " of stable; " +
         plural(lines.read, "line", "lines") + " read, " + std::to_string(lines.evidence) +
         (lines.evidence == 1 ? " is evidence" : " are evidence");
  if (outcome.late_requests > 0) {
    out += ", " + std::to_string(outcome.late_requests) + " of them too late for their weight";
  }
  if (lines.skipped > 0) out += ", " + std::to_string(lines.skipped) + " malformed and skipped";
  out += '\n';
  for (const analysis::MetricReport& metric : outcome.verdict.metrics) {
    out += "  " + analysis::describe_rates(metric) + "; evidence for rollback " +
           std::to_string(std::lround(100 * metric.rollback_evidence)) + " %, for acceptance " +
           std::to_string(std::lround(100 * metric.accept_evidence)) + " %\n";
  }
  for (const Event& event : outcome.timeline) {
    out += "  " + time_text(event.at_ms) + "  " + event_text(event) + '\n';
  }
  if (outcome.events_left_out > 0) {
    out += "  and " + std::to_string(outcome.events_left_out) + " more events\n";
  }
  return out;
}

}  // namespace canaryd::replay
