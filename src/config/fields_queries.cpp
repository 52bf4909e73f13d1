// Rollouts: what others are asked about the canary.
#include "config/fields.hpp"

#include <algorithm>
#include <array>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

constexpr double kBoundMost = 1e15;

constexpr std::array kQueryFailures{Word{"hold", Query::OnFailure::kHold},
                                    Word{"rollback", Query::OnFailure::kRollback}};

// Lines too: a query may be long.
bool is_query_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t';
  });
}

bool is_file_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
}

const Section<Query>& query_section() {
  static const auto made = [] {
    Section<Query> s("Query");
    s.require("name", &Query::name, name(), "Shown as `query:NAME`; each of the rollout once.");
    s.add(
        "prometheus",
        &Query::prometheus,
        optional(http_url()),
        "A server with the API of Prometheus; `/api/v1/query` is added. Either this or `webhook`.");
    s.add("webhook",
          &Query::webhook,
          optional(http_url()),
          "Asked by POST with JSON: any 2xx is good, a 4xx that answers the question is bad.");
    s.add("query",
          &Query::query,
          text({"a PromQL expression", "", is_query_text, kQueryBytesMax}),
          "For `prometheus`: gives one number. `{{rollout}}`, `{{stable}}`, `{{canary}}`, "
          "`{{revision}}` and `{{interval}}` are put in.");
    s.add("min",
          &Query::min,
          optional(number(-kBoundMost, kBoundMost)),
          "A lower value is bad; in the query's own unit.");
    s.add("max",
          &Query::max,
          optional(number(-kBoundMost, kBoundMost)),
          "A higher value is bad; `prometheus` needs one of the two.");
    s.add("interval",
          &Query::interval,
          duration(1s, 1h),
          "From one question to the next; a reading older than three of these is none.");
    s.add("timeout",
          &Query::timeout,
          duration(10ms, 1min),
          "For the whole answer; no longer than `interval`. No answer is no reading, and holds.");
    s.add(
        "failures",
        &Query::failures,
        narrow<std::uint32_t>(integer(1, 1000)),
        "Bad readings in a row until `on_failure` happens; the first one already keeps the step.");
    s.add("on_failure",
          &Query::on_failure,
          choice(kQueryFailures),
          "`hold` until the readings are good again, or `rollback`.");
    s.add("authorization_file",
          &Query::authorization_file,
          optional(text({"a file name", "", is_file_name, 1024})),
          "Its text, such as `Bearer TOKEN`, is sent as the header Authorization; read with each "
          "question.");
    return s;
  }();
  return made;
}

}  // namespace

const Section<Rollout>& judging_section() {
  static const auto made = [] {
    Section<Rollout> s("Analysis");
    s.include(&Rollout::analysis, analysis_section());
    s.add("exclude",
          &Rollout::exclude,
          exclusions(),
          "Requests that are traffic, but no evidence, such as health checks and bots: those that "
          "any of the rules fits.");
    s.add("queries",
          &Rollout::queries,
          list_of(section(query_section()), 0, kQueriesMax),
          "Extra evidence from elsewhere: no step passes without a fresh, good reading of each.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
