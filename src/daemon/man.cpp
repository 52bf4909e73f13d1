#include "daemon/man.hpp"

#include "canaryd/config/schema.hpp"
#include "canaryd/manual/page.hpp"
#include "daemon/options.hpp"
#include "daemon/version.hpp"

namespace canaryd::daemon {
namespace {

manual::Page page_of_canaryd() {
  manual::Page page;
  page.section = 8;
  page.description =
      "canaryd is a reverse proxy for HTTP that moves traffic from a stable version to a canary "
      "one step at a time, judges the canary from the traffic it carries, and promotes it, holds, "
      "or rolls back by itself. canaryd run is the daemon; the other commands need none.";
  const auto code = [](ExitCode value) { return std::to_string(value); };
  page.parts.push_back({"EXIT STATUS",
                        {{code(kExitDone), "Done."},
                         {code(kExitFailed), "Failed at run time."},
                         {code(kExitUsage), "Wrong usage."},
                         {code(kExitConfig), "The configuration is invalid."},
                         {code(kExitListen), "Cannot listen, or no permission."}}});
  page.parts.push_back({"SIGNALS",
                        {{"SIGHUP", "Reload the configuration; a bad one changes nothing."},
                         {"SIGTERM, SIGINT", "Drain, then end; a second one ends at once."},
                         {"SIGUSR1", "Open the log files again."},
                         {"SIGUSR2", "Ignored, with a line in the log."}}});
  page.parts.push_back({"FILES",
                        {{"/etc/canaryd/canaryd.yaml", "The configuration: canaryd.yaml(5)."},
                         {"/var/lib/canaryd", "State and audit log: state.dir."}}});
  page.parts.push_back({"EXAMPLES",
                        {{"canaryd quick --stable 127.0.0.1:9001 --canary 127.0.0.1:9002",
                          "A rollout between two addresses, without a file."},
                         {"canaryd validate -c canaryd.yaml --strict", "For a pipeline."},
                         {"canaryd convert --from argo rollout.yaml > canaryd.yaml",
                          "A plan from another tool; read the comments in it."}}});
  page.parts.push_back({"SEE ALSO", {{"canaryctl(1), canaryd.yaml(5)", ""}}});
  return page;
}

}  // namespace

std::string man_page(const std::string& name) {
  if (name == "canaryd.yaml") return config::render_man(kVersion);
  return manual::render_man(describe_program(), page_of_canaryd());
}

}  // namespace canaryd::daemon
