#include "canaryd/config/load.hpp"
#include "canaryd/config/quick.hpp"
#include "canaryd/config/schema.hpp"
#include "daemon/app.hpp"
#include "daemon/options.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <system_error>
#include <unistd.h>

namespace canaryd::daemon {
namespace {

std::optional<std::string> environment(std::string_view name) {
  const char* const value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

// At most one byte more than load() accepts, so that it says that the file is too large.
Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    const int error = errno != 0 ? errno : EISDIR;
    return fail(ErrorCode::kIo, path + ": " + std::strerror(error));
  }
  std::string text;
  text.resize(config::kMaxFileBytes + 1);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

config::LoadResult load_text(const CommandLine& line, const std::string& name, std::string text) {
  config::LoadInput input;
  input.file_name = name;
  input.text = std::move(text);
  input.environment = environment;
  input.overrides = line.overrides;
  input.strict = line.strict;
  return config::load(input);
}

config::LoadResult load_file(const CommandLine& line) {
  auto text = read_file(line.config_file);
  if (text) return load_text(line, line.config_file, std::move(*text));
  config::LoadResult result;
  config::Problem problem;
  problem.file = line.config_file;
  problem.message = "cannot be read: " + text.error().context;
  result.problems.push_back(std::move(problem));
  return result;
}

int validate(const CommandLine& line) {
  const config::LoadResult loaded = load_file(line);
  if (line.json) {
    std::cout << config::render_problems_json(loaded.problems, line.config_file) << '\n';
  } else {
    std::cerr << config::render_problems_text(loaded.problems, line.config_file);
    if (loaded.problems.empty()) std::cout << line.config_file << " is valid\n";
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
  if (line.state_dir.empty()) {
    // A trial run starts fresh each time and leaves nothing behind that matters.
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
  return run_loaded(load_text(line, name, *yaml), name, [line, name, text = *yaml] {
    return load_text(line, name, text);
  });
}

int dispatch(const CommandLine& line) {
  switch (line.command) {
    case Command::kRun:
      return run_loaded(load_file(line), line.config_file, [line] { return load_file(line); });
    case Command::kValidate:
      return validate(line);
    case Command::kQuick:
      return quick(line);
    case Command::kSchema:
      std::cout << config::render_schema();
      return kExitDone;
    case Command::kConfigDump:
      return config_dump(line);
  }
  return kExitUsage;
}

}  // namespace
}  // namespace canaryd::daemon

int main(int argc, char** argv) {
  const auto parsed = canaryd::daemon::parse_command_line(argc, argv);
  if (!parsed.line) return parsed.exit_code;
  return canaryd::daemon::dispatch(*parsed.line);
}
