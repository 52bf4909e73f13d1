#include "cli/man.hpp"

#include "canaryd/cli/commands.hpp"
#include "canaryd/manual/page.hpp"
#include "cli/options.hpp"

namespace canaryd::cli {
namespace {

manual::Part exit_status() {
  manual::Part part;
  part.title = "EXIT STATUS";
  const auto add = [&part](int code, const char* meaning) {
    part.terms.emplace_back(std::to_string(code), meaning);
  };
  add(kExitDone, "Done; of wait: the outcome has been reached.");
  add(kExitFailed, "Failed; of check: something is wrong with the daemon.");
  add(kExitUsage, "Wrong usage.");
  add(kExitConfigInvalid, "The configuration is invalid.");
  add(kExitUnreachable, "The daemon cannot be reached.");
  add(kExitRefused, "Refused in this state.");
  add(kExitUnauthorised, "Not authorised.");
  add(kExitTimeout, "Time-out.");
  add(kExitRolledBack, "Of wait: rolled back.");
  add(kExitAborted, "Of wait: aborted.");
  add(kExitStopped, "Of wait: stopped without a decision.");
  return part;
}

}  // namespace

std::string man_page() {
  manual::Page page;
  page.section = 1;
  page.description =
      "canaryctl talks to the admin API of a running canaryd: it shows its rollouts, says why they "
      "stand where they stand, and moves them. Options of the program may stand behind the "
      "command.";
  page.parts.push_back(exit_status());
  page.parts.push_back({"ENVIRONMENT",
                        {{"CANARYD_ADDR", "Where the daemon is, if --addr is not given."},
                         {"CANARYD_TOKEN_FILE", "The token to show, if --token-file is not given."},
                         {"NO_COLOR", "If it is set and not empty, there are no colours."}}});
  page.parts.push_back(
      {"EXAMPLES",
       {{"canaryctl status checkout --watch", "A rollout on the screen, as it goes."},
        {"canaryctl check canaryd.yaml && canaryctl diff canaryd.yaml",
         "Is the file valid, and what would a reload with it change?"},
        {"canaryctl wait checkout --for promoted --timeout 30m", "For a pipeline."},
        {"canaryctl abort checkout --reason 'wrong build'", "Everybody back to stable, at once."},
        {"source <(canaryctl completion bash)", "Completions for this shell."}}});
  page.parts.push_back({"SEE ALSO", {{"canaryd(8), canaryd.yaml(5)", ""}}});
  return manual::render_man(describe_program(), page);
}

}  // namespace canaryd::cli
