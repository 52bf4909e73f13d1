// The command line of canaryctl as values. CLI11 is seen by options.cpp only.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/manual/program.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::cli {

struct Options {
  std::string command;  // "status", "set-weight".
  std::string rollout;
  // Global.
  std::string address;           // Empty: CANARYD_ADDR or the default.
  std::string token_file;        // Empty: CANARYD_TOKEN_FILE, if set.
  std::string output = "table";  // table, wide, json.
  std::string reason;
  bool yes = false;
  bool no_color = false;
  // Of one command.
  bool watch = false;
  bool full = false;
  bool dry_run = false;
  bool skip_hook = false;
  // Of what changes a rollout.
  std::string if_match;  // A generation: digits.
  std::string idempotency_key;
  std::string target;  // wait: "promoted", "retired" or "stopped".
  std::optional<Duration> timeout;
  std::string revision;
  std::string percent;
  std::string gate;
  std::string approver;
  std::string expires;
  std::string over;
  std::string level;
  std::uint32_t limit = 20;
  // feedback; also `cohort`.
  std::string score;
  std::string comment;
  std::string id;
  // explain.
  bool verify = false;
  std::optional<std::uint64_t> at;
  // history; also `verify`.
  std::string head;
  // explain-route.
  std::string method;
  std::string url;
  std::vector<std::string> headers;
  std::string listener;
  std::string client;
  // tap.
  std::string cohort;
  std::string route;
  bool errors = false;
  // check and diff.
  std::string file;
  std::vector<std::string> sets;
  bool learned = false;
  // completion.
  std::string shell;
};

// Either options, or a text and an exit code: help, the version, or what is wrong.
struct ParsedOptions {
  std::optional<Options> options;
  std::string text;
  int exit_code = 0;
};

[[nodiscard]] ParsedOptions parse_options(const std::vector<std::string>& arguments);

// What there is to parse, for the manual page and the completions.
[[nodiscard]] manual::Program describe_program();

}  // namespace canaryd::cli
