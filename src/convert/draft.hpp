// What a conversion has understood so far: the configuration to be, and the notes.
//
// `line` is always that of the file that is read, from 1; 0: none, or that of what it is part of.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/convert/convert.hpp"

#include <optional>
#include <string>
#include <vector>

namespace canaryd::convert {

struct DraftEndpoint {
  std::string address;
  std::string weight;  // Empty: 1.
  std::uint32_t line = 0;
};

struct DraftUpstream {
  std::string name;
  std::vector<DraftEndpoint> endpoints;
  std::string dns;             // HOST:PORT; in place of endpoints.
  std::string load_balancer;   // Empty: the default.
  std::uint32_t failures = 0;  // Of outlier_detection; 0: none.
  Duration ejection{};
  std::uint32_t line = 0;
};

struct DraftStep {
  std::string weight;  // Percent.
  double percent = 0;
  Duration pause{};
  std::string gate;
  std::uint32_t line = 0;
};

struct DraftQuery {
  std::string name;
  std::string prometheus;  // Either this or webhook.
  std::string webhook;
  std::string query;
  std::string min;
  std::string max;
  std::optional<Duration> interval;
  std::uint32_t failures = 0;  // 0: the default.
  std::uint32_t line = 0;
  friend bool operator==(const DraftQuery&, const DraftQuery&) = default;
};

struct DraftHook {
  std::string on;  // "before_step", or states, as in a flow list.
  std::string url;
  std::uint32_t line = 0;
};

struct DraftRollout {
  std::string name;
  std::string stable;
  std::string canary;
  std::string revision;
  bool manual = false;
  std::string key;  // As in the file: "{header: X-User}"; empty: the default.
  std::string salt;
  std::string cookie;  // Issued, and the key.
  std::optional<Duration> cookie_age;
  std::vector<DraftStep> steps;
  std::string limit_errors;  // Percent.
  std::string limit_p99;
  std::vector<DraftQuery> queries;
  std::vector<DraftHook> hooks;
  std::uint32_t line = 0;
};

struct DraftAnswer {
  std::string status;  // Empty: none, the route leads to a rollout or an upstream.
  std::string location;
  std::string body{};
  friend bool operator==(const DraftAnswer&, const DraftAnswer&) = default;
};

struct DraftRoute {
  std::string name;
  std::string host;
  std::string path = "/";
  bool exact = false;
  std::string rollout;
  std::string upstream;
  std::uint32_t line = 0;
  DraftAnswer answer{};
};

struct Draft {
  std::vector<DraftUpstream> upstreams;
  std::vector<DraftRollout> rollouts;
  std::vector<DraftRoute> routes;
  std::vector<Note> warnings;
  std::vector<Note> errors;

  // Of the same fact the first place is enough.
  void warn(std::uint32_t line, std::string message);
  // Not of this one: who reads has to look at every place.
  void warn_each(std::uint32_t line, std::string message);
  void error(std::uint32_t line, std::string message);
  [[nodiscard]] DraftUpstream* find_upstream(std::string_view name);
};

// The nearest name that canaryd takes: "My_App" is "my-app". Never empty.
[[nodiscard]] std::string name_from(std::string_view text);
// The same, warning of a change.
[[nodiscard]] std::string name_from(Draft& draft, std::uint32_t line, std::string_view text);

// A number of 0 to 100, as it is written in the configuration; nothing if it is not one.
[[nodiscard]] std::optional<std::string> percent_from(std::string_view text, double& value);

// Adds a step, if it is above the last one; else warns.
void add_step(Draft& draft, DraftRollout& rollout, std::uint32_t line, std::string_view percent);
// The steps of a rollout that gives none, for one that has something to add to them.
void add_default_steps(DraftRollout& rollout);
// The last step has to be 100 %.
void finish_steps(DraftRollout& rollout);

// Adds a query under a name of its own; one that is there already only once. False: the rollout has
// no room for it, which is a warning.
bool add_query(Draft& draft, DraftRollout& rollout, DraftQuery query);

// As text of a configuration: double quotes, and no variables.
[[nodiscard]] std::string quoted(std::string_view text);

// The text of a configuration, and from which line each part of it is.
struct Written {
  struct Origin {
    std::size_t begin = 0;
    std::uint32_t line = 0;
  };

  // What is added from here on is from that line.
  void from(std::uint32_t line) { origins.push_back({yaml.size(), line}); }
  [[nodiscard]] std::uint32_t line_at(std::size_t offset) const noexcept;

  std::string yaml;
  std::vector<Origin> origins;  // In the order of the text.
};

[[nodiscard]] Written write(const Draft& draft, const Input& input);

void read_argo(Draft& draft, std::string_view text);
void read_flagger(Draft& draft, std::string_view text);
void read_nginx(Draft& draft, std::string_view text);

}  // namespace canaryd::convert
