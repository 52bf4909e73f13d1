// The command line of canaryd, as plain values.
#pragma once

#include "canaryd/manual/program.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::daemon {

// Exit codes of the contract (docs/interfaces.md section 1).
enum ExitCode : int {
  kExitDone = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitConfig = 3,
  kExitListen = 4,
};

enum class Command : std::uint8_t {
  kRun,
  kValidate,
  kQuick,
  kSchema,
  kConfigDump,
  kSimulate,
  kReplay,
  kConvert,
  kFormat,
  kVerify,
  kCompletion,
  kMan
};

// As they are written; daemon/simulate_command reads the texts.
struct SimulateFlags {
  std::string rollout;
  std::optional<double> rps;
  std::string error_rate;
  std::string canary_error_rate;
  std::string latency;
  std::string canary_latency;
  std::string cold_start;
  std::vector<std::string> outages;
  std::string bursts;
  std::string broken_route;
  std::string diurnal;
  double failures_per_user = 1;
  std::uint32_t users = 0;
  std::string covered;
  std::string max_time = "6h";
  std::size_t runs = 1000;
  std::uint64_t seed = 1;
  unsigned threads = 0;  // 0: one per core.
  std::string format = "text";
};

struct ReplayOptions {
  std::string rollout;  // Empty: the only one of the file.
  bool lenient = false;
  std::vector<std::string> files;
};

struct ConvertOptions {
  std::string from;  // "argo", "flagger" or "nginx".
  std::string file;  // "-": the standard input.
  std::string listen = "127.0.0.1:8080";
};

struct VerifyOptions {
  std::string state_dir = "/var/lib/canaryd";
  std::string head;  // Of an earlier check; may be empty.
};

struct CommandLine {
  Command command = Command::kRun;
  std::string config_file = "/etc/canaryd/canaryd.yaml";
  std::vector<std::pair<std::string, std::string>> overrides;
  bool json = false;
  bool strict = false;
  std::string stable;
  std::string canary;
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> steps;
  SimulateFlags simulate;
  std::string
      state_dir;  // Of quick; empty: a directory of its own under the system's for temporary files.
  VerifyOptions verify;
  ReplayOptions replay;
  ConvertOptions convert;
  std::string format_file;  // Of fmt.
  bool write_back = false;  // Of fmt.
  std::string shell;        // Of completion.
  std::string page;         // Of man.
};

// The command line, or the exit code with which the program ends now (help, version, wrong usage);
// what there is to say has been printed.
struct Parsed {
  std::optional<CommandLine> line;
  int exit_code = kExitDone;
};
[[nodiscard]] Parsed parse_command_line(int argc, const char* const* argv);

// What there is to parse, for the manual page and the completions.
[[nodiscard]] manual::Program describe_program();

}  // namespace canaryd::daemon
