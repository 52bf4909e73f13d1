// Whether the queries of a rollout can be asked, and answered.
#include "canaryd/base/suggest.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/config/query.hpp"
#include "config/codec.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {
namespace {

void check_text(const Query& query, const std::string& path, Reader& in) {
  const std::vector<std::string_view> words(kQueryPlaceholders.begin(), kQueryPlaceholders.end());
  const auto complain = [&](std::string_view /*text*/, std::string_view word) {
    if (word.empty() || std::find(words.begin(), words.end(), word) != words.end()) return;
    in.error_at_value(path + ".query",
                      path + ".query: " + quoted(word) + " is nothing that {{ }} puts in",
                      did_you_mean(word, words));
  };
  if (visit_query(query.query, complain)) return;
  in.error_at_value(path + ".query", path + ".query: expected a word and }} behind {{");
}

void check_prometheus(const Query& query, const std::string& path, Reader& in) {
  if (query.query.empty()) {
    in.error_at(path, path + ": \"query\" is missing");
  } else {
    check_text(query, path, in);
  }
  if (!query.min && !query.max) {
    in.error_at(path, path + ": without min or max, every value would be good", "add max: NUMBER");
  } else if (query.min && query.max && *query.min > *query.max) {
    in.error_at_value(path + ".min", path + ".min: above max, no value would be good");
  }
  if (query.prometheus->target.find('?') == std::string::npos) return;
  in.error_at_value(path + ".prometheus",
                    path + ".prometheus: a server's address has no ?",
                    "canaryd adds /api/v1/query?query=... itself");
}

void check_webhook(const Query& query, const std::string& path, Reader& in) {
  const auto refuse = [&](bool there, const std::string& key) {
    if (!there) return;
    in.error_at(path + "." + key,
                path + "." + key + ": a webhook says itself what is good: by the status");
  };
  refuse(!query.query.empty(), "query");
  refuse(query.min.has_value(), "min");
  refuse(query.max.has_value(), "max");
}

void check_query(const Query& query, const std::string& path, Reader& in) {
  if (query.prometheus.has_value() == query.webhook.has_value()) {
    in.error_at(path,
                query.prometheus ? path + ": prometheus and webhook exclude each other"
                                 : path + ": nobody is asked",
                query.prometheus ? "" : "add prometheus: http://HOST:PORT or webhook: URL");
  } else if (query.prometheus) {
    check_prometheus(query, path, in);
  } else {
    check_webhook(query, path, in);
  }
  if (query.timeout <= query.interval) return;
  in.error_at_value(path + ".timeout",
                    path + ": timeout (" + format_duration(query.timeout) +
                        ") is longer than interval (" + format_duration(query.interval) + ")");
}

}  // namespace

void check_queries(const Config& config, Reader& in) {
  for (const Rollout& rollout : config.rollouts) {
    if (!is_name(rollout.name)) continue;
    const std::string list = "rollouts." + rollout.name + ".analysis.queries";
    std::set<std::string> names;
    for (std::size_t i = 0; i < rollout.queries.size(); ++i) {
      const Query& query = rollout.queries[i];
      const std::string path = list + "[" + std::to_string(i) + "]";
      if (in.is_bad(path)) continue;
      if (!names.insert(query.name).second) {
        in.error_at_value(path + ".name",
                          path + ".name: the name " + quoted(query.name) + " is taken");
      }
      check_query(query, path, in);
    }
  }
}

}  // namespace canaryd::config
