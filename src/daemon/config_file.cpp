#include "daemon/config_file.hpp"

#include "canaryd/admin/token.hpp"
#include "canaryd/base/secret_file.hpp"
#include "canaryd/config/named_files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace canaryd::daemon {
namespace {

std::optional<std::string> environment(std::string_view name) {
  const char* const value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

config::Problem problem_of(const std::string& file, const std::string& message) {
  config::Problem problem;
  problem.file = file;
  problem.message = message;
  return problem;
}

Result<admin::TokenDigest> read_token_file(const std::string& path) {
  CANARYD_TRY_ASSIGN(const std::string text, read_regular_file(path));
  std::error_code error;
  const auto mode = std::filesystem::status(path, error).permissions();
  if (error || is_too_open(mode)) return fail(ErrorCode::kPermission, kTooOpen);
  return admin::read_token(text);
}

void read_tokens(config::LoadResult& loaded, const std::string& config_file) {
  if (!loaded.config) return;
  auto& tokens = loaded.config->admin.tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto refuse = [&](const std::string& why) {
      loaded.problems.push_back(problem_of(
          tokens[i].token_file, "cannot be used, for admin.tokens." + tokens[i].name + ": " + why));
    };
    const auto digest = read_token_file(beside(config_file, tokens[i].token_file));
    if (!digest) {
      refuse(digest.error().context);
      continue;
    }
    tokens[i].digest = *digest;
    // Whose would it be?
    const bool known = std::any_of(tokens.begin(),
                                   tokens.begin() + static_cast<std::ptrdiff_t>(i),
                                   [&](const auto& other) { return other.digest == *digest; });
    if (known) refuse("another of the tokens is the same");
  }
  if (config::count_errors(loaded.problems) > 0) loaded.config.reset();
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::error_code ignored;
  if (file && std::filesystem::is_directory(path, ignored)) errno = EISDIR;
  if (!file || errno == EISDIR) {
    const int number = errno != 0 ? errno : EIO;
    std::string why = std::strerror(number);
    // As under a service manager, which runs canaryd as nobody's user.
    if (number == EACCES) why += " for user " + std::to_string(::geteuid());
    return fail(ErrorCode::kIo, std::move(why));
  }
  std::string text;
  std::array<char, 16 * 1024> piece{};
  while (text.size() <= config::kMaxFileBytes) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
    if (!file) break;
  }
  if (file.bad()) return fail(ErrorCode::kIo, std::strerror(errno != 0 ? errno : EIO));
  return text;
}

Result<std::string> read_regular_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return fail(ErrorCode::kIo, "not a regular file");
  }
  return read_file(path);
}

std::string beside(const std::string& config_file, const std::string& name) {
  return (std::filesystem::path(config_file).parent_path() / name).string();
}

config::LoadResult load_text(const CommandLine& line, const std::string& name, std::string text) {
  config::LoadInput input;
  input.file_name = name;
  input.text = std::move(text);
  input.environment = environment;
  input.overrides = line.overrides;
  input.strict = line.strict;
  config::LoadResult loaded = config::load(input);
  config::read_named_files(
      loaded, [&name](const std::string& file) { return read_regular_file(beside(name, file)); });
  read_tokens(loaded, name);
  return loaded;
}

namespace {

std::string names_of(const config::Config& config) {
  std::string names;
  for (const config::Rollout& rollout : config.rollouts) {
    names += (names.empty() ? "" : ", ") + rollout.name;
  }
  return names.empty() ? "none" : names;
}

config::LoadResult load(const CommandLine& line, Result<std::string> text) {
  if (text) return load_text(line, line.config_file, std::move(*text));
  config::Problem problem = problem_of(line.config_file, "cannot be read: " + text.error().context);
  if (line.config_file == CommandLine().config_file) {
    problem.hint = "another file is named with -c FILE, and `canaryd quick` needs none";
  }
  config::LoadResult result;
  result.problems.push_back(std::move(problem));
  return result;
}

}  // namespace

Result<const config::Rollout*> find_rollout(const config::Config& config,
                                            const std::string& name,
                                            const std::string& file) {
  if (name.empty() && config.rollouts.size() == 1) return &config.rollouts.front();
  if (name.empty()) {
    return fail(ErrorCode::kNotFound, "say which rollout: --rollout NAME of " + names_of(config));
  }
  if (const auto id = config.find_rollout(name)) return &config.rollout(*id);
  return fail(ErrorCode::kNotFound,
              file + " has no rollout \"" + name + "\"; there is: " + names_of(config));
}

config::LoadResult load_file(const CommandLine& line) {
  return load(line, read_file(line.config_file));
}

config::LoadResult reload_file(const CommandLine& line) {
  return load(line, read_regular_file(line.config_file));
}

}  // namespace canaryd::daemon
