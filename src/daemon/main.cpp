#include "canaryd/config/feasibility.hpp"
#include "canaryd/config/format.hpp"
#include "canaryd/config/load.hpp"
#include "canaryd/config/quick.hpp"
#include "canaryd/config/schema.hpp"
#include "canaryd/manual/completion.hpp"
#include "daemon/app.hpp"
#include "daemon/config_file.hpp"
#include "daemon/convert_command.hpp"
#include "daemon/man.hpp"
#include "daemon/options.hpp"
#include "daemon/replay_command.hpp"
#include "daemon/simulate_command.hpp"
#include "daemon/verify_command.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <unistd.h>

namespace canaryd::daemon {
namespace {

int validate(const CommandLine& line) {
  const config::LoadResult loaded = load_file(line);
  std::vector<config::RolloutForecast> forecasts;
  if (loaded.config) forecasts = config::forecast(*loaded.config);
  if (line.json) {
    std::cout << config::render_problems_json(loaded.problems, line.config_file, forecasts) << '\n';
  } else {
    std::cerr << config::render_problems_text(loaded.problems, line.config_file);
    if (loaded.problems.empty()) std::cout << line.config_file << " is valid\n";
    std::cout << config::render_forecasts(forecasts);
  }
  return loaded.config ? kExitDone : kExitConfig;
}

int config_dump(const CommandLine& line) {
  const config::LoadResult loaded = load_file(line);
  std::cerr << config::render_problems_text(loaded.problems, line.config_file);
  if (!loaded.config) return kExitConfig;
  std::cout << config::render_dump(*loaded.config);
  return kExitDone;
}

int replay(const CommandLine& line) {
  const config::LoadResult loaded = load_file(line);
  if (!loaded.config) {
    std::cerr << config::render_problems_text(loaded.problems, line.config_file);
    return kExitConfig;
  }
  return replay_files(line, *loaded.config);
}

// Beside the file first: what is there is whole at any time.
bool write_whole(const std::string& name, const std::string& text) {
  std::error_code error;
  const std::string path = std::filesystem::canonical(name, error).string();
  if (error) return false;
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return false;
  const auto mode = std::filesystem::status(path, error).permissions();
  if (!error) std::filesystem::permissions(fresh, mode, error);
  if (!error) std::filesystem::rename(fresh, path, error);
  return !error;
}

int format_file(const CommandLine& line) {
  const std::string& name = line.format_file;
  const auto text = read_file(name);
  if (!text) {
    std::cerr << "canaryd fmt: " << name << ": " << text.error().context << '\n';
    return kExitFailed;
  }
  const config::Formatted formatted = config::format(name, *text);
  if (!formatted.text) {
    std::cerr << config::render_problems_text(formatted.problems, name);
    return kExitConfig;
  }
  if (!line.write_back) {
    std::cout << *formatted.text << std::flush;
    return std::cout ? kExitDone : kExitFailed;
  }
  if (*formatted.text == *text || write_whole(name, *formatted.text)) return kExitDone;
  std::cerr << "canaryd fmt: " << name << " cannot be written\n";
  return kExitFailed;
}

int run_loaded(config::LoadResult loaded,
               const std::string& name,
               std::function<config::LoadResult()> again) {
  if (!loaded.config) {
    std::cerr << config::render_problems_text(loaded.problems, name);
    return kExitConfig;
  }
  AppOptions options;
  options.config = std::move(*loaded.config);
  options.warnings = std::move(loaded.problems);
  options.load_config = std::move(again);
  options.folder = beside(name, "");
  options.read_file = [name](const std::string& file) {
    return read_regular_file(beside(name, file));
  };
  return run_app(std::move(options));
}

int quick(CommandLine line) {
  config::QuickOptions options;
  options.stable = line.stable;
  options.canary = line.canary;
  options.listen = line.listen;
  options.steps = line.steps;
  const auto yaml = config::quick_yaml(options);
  if (!yaml) {
    std::cerr << "canaryd quick: " << yaml.error().context << '\n';
    return kExitUsage;
  }
  const bool is_trial = line.state_dir.empty();
  if (is_trial) {
    std::string path = (std::filesystem::temp_directory_path() / "canaryd-quick-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      std::cerr << "canaryd quick: " << path << ": " << std::strerror(errno) << '\n';
      return kExitFailed;
    }
    line.state_dir = path;
  }
  line.overrides.emplace_back("state.dir", line.state_dir);
  std::cout << *yaml << std::flush;
  const std::string name = "quick.yaml";
  const int code = run_loaded(load_text(line, name, *yaml), name, [line, name, text = *yaml] {
    return load_text(line, name, text);
  });
  // A trial starts fresh each time, and leaves nothing behind unless it is killed.
  std::error_code ignored;
  if (is_trial) std::filesystem::remove_all(line.state_dir, ignored);
  return code;
}

int dispatch(const CommandLine& line) {
  switch (line.command) {
    case Command::kRun:
      return run_loaded(load_file(line), line.config_file, [line] { return reload_file(line); });
    case Command::kValidate:
      return validate(line);
    case Command::kQuick:
      return quick(line);
    case Command::kSchema:
      std::cout << config::render_schema();
      return kExitDone;
    case Command::kConfigDump:
      return config_dump(line);
    case Command::kSimulate:
      return run_simulate(line);
    case Command::kReplay:
      return replay(line);
    case Command::kFormat:
      return format_file(line);
    case Command::kConvert:
      return convert_file(line);
    case Command::kVerify:
      return verify_history(line.verify, line.json);
    case Command::kCompletion:
      std::cout << manual::render_completion(describe_program(), line.shell);
      return kExitDone;
    case Command::kMan:
      std::cout << man_page(line.page);
      return kExitDone;
  }
  return kExitUsage;
}

// What was printed and did not arrive, as on a full disk, is no success.
int finish(int code) {
  std::cout.flush();
  if (std::cout) return code;
  std::cerr << "canaryd: standard output cannot be written\n";
  return code == kExitDone ? kExitFailed : code;
}

}  // namespace
}  // namespace canaryd::daemon

int main(int argc, char** argv) {
  const auto parsed = canaryd::daemon::parse_command_line(argc, argv);
  using canaryd::daemon::finish;
  if (!parsed.line) return finish(parsed.exit_code);
  return finish(canaryd::daemon::dispatch(*parsed.line));
}
