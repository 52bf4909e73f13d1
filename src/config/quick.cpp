#include "canaryd/config/quick.hpp"

#include "canaryd/base/ip.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/config/load.hpp"

namespace canaryd::config {
namespace {

// Written from the parsed value, so that what comes from the command line cannot carry YAML with
// it.
Result<std::string> clean_address(const char* option, const std::string& text) {
  const auto address = parse_socket_address(text);
  if (!address) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(option) + ": " + address.error().context + ", got \"" + text + "\"");
  }
  return to_string(*address);
}

Result<std::string> steps_yaml(const std::vector<std::string>& steps) {
  const std::vector<std::string> usual{"1", "5", "10", "25", "100"};
  std::string out;
  for (const std::string& step : steps.empty() ? usual : steps) {
    const auto weight = parse_percent(step);
    if (!weight) {
      return fail(ErrorCode::kInvalidArgument,
                  "--steps: " + weight.error().context + ", got \"" + step + "\"");
    }
    out += "      - {weight: " + format_percent(*weight) + "}\n";
  }
  return out;
}

}  // namespace

Result<std::string> quick_yaml(const QuickOptions& options) {
  CANARYD_TRY_ASSIGN(const std::string stable, clean_address("--stable", options.stable));
  CANARYD_TRY_ASSIGN(const std::string canary, clean_address("--canary", options.canary));
  if (stable == canary) {
    return fail(ErrorCode::kInvalidArgument,
                "--stable and --canary are the same server, " + stable +
                    ": nothing could be learned of the canary");
  }
  CANARYD_TRY_ASSIGN(const std::string listen, clean_address("--listen", options.listen));
  CANARYD_TRY_ASSIGN(const std::string steps, steps_yaml(options.steps));
  std::string yaml =
      "# Made by `canaryd quick`; save it and run it with `canaryd run -c FILE`.\nversion: 1\n\n";
  yaml +=
      "listeners:\n  - name: public\n    address: \"" + listen + "\"  # Clients connect here.\n\n";
  yaml += "upstreams:\n  stable:\n    endpoints: [\"" + stable +
          "\"]  # The version that serves today.\n";
  yaml += "  canary:\n    endpoints: [\"" + canary + "\"]  # The version that is to take over.\n\n";
  yaml += "rollouts:\n  quick:\n    stable: stable\n    canary: canary\n";
  // On a trial everybody comes from one address; a cookie tells users apart.
  yaml +=
      "    # Who a user is: the first of these that a request has. Without any, a cookie is "
      "issued.\n"
      "    cohort:\n      keys: [{header: X-User-Id}, {cookie: canaryd_id}]\n"
      "      issue_cookie: {name: canaryd_id}\n";
  yaml +=
      "    # Percent of the users on the canary; each step is left when the evidence is good "
      "enough.\n";
  yaml += "    steps:\n" + steps;
  yaml +=
      "    # Rolled back with more failures than this, at 100 % too.\n"
      "    analysis:\n      limits: {errors: 5}  # Percent.\n\n";
  yaml += "routes:\n  - name: all\n    match: {path_prefix: /}\n    rollout: quick\n\n";
  yaml += "log:\n  format: text\n\n";
  yaml += "state:\n  dir: ${CANARYD_STATE_DIR:-./canaryd-state}  # What survives a restart.\n";
  const LoadResult check = load({"the options", yaml, {}, {}, false});
  if (check.config) return yaml;
  return fail(ErrorCode::kInvalidArgument,
              check.problems.empty() ? "no configuration" : check.problems.front().message);
}

}  // namespace canaryd::config
