// canaryctl: what the process stands in, handed to cli::run.
#include "canaryd/base/secret_file.hpp"
#include "canaryd/cli/commands.hpp"
#include "canaryd/config/load.hpp"
#include "cli/interrupts.hpp"

#include <cerrno>
#include <charconv>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

constexpr int kColumnsUnknown = 120;        // A terminal that does not tell.
constexpr int kColumnsOfAPipe = 1'000'000;  // What goes on to a program is not cut.

int terminal_size(unsigned short winsize::*side, int otherwise) {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.*side == 0) return otherwise;
  return size.*side;
}

// A regular file, and no more of it than a configuration may have and one byte, so that whoever
// reads it says that it is too large.
canaryd::Result<std::string> read_file(const std::string& path) {
  std::error_code unknown;
  const auto status = std::filesystem::status(path, unknown);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return canaryd::fail(canaryd::ErrorCode::kIo, "not a regular file");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(canaryd::config::kMaxFileBytes + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return canaryd::fail(canaryd::ErrorCode::kIo, std::strerror(errno != 0 ? errno : EIO));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

canaryd::Result<bool> check_secret(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    return canaryd::fail(canaryd::ErrorCode::kNotFound, error ? error.message() : "is not there");
  }
  if (!std::filesystem::is_regular_file(status)) {
    return canaryd::fail(canaryd::ErrorCode::kIo, "not a regular file");
  }
  if (canaryd::is_too_open(status.permissions())) {
    return canaryd::fail(canaryd::ErrorCode::kPermission, canaryd::kTooOpen);
  }
  return ::access(path.c_str(), R_OK) == 0;
}

std::optional<std::string> find_variable(std::string_view name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  const char* const value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread.
  return value == nullptr ? "" : value;
}

// As others do: COLUMNS where there is no terminal to ask.
int columns_otherwise() {
  const std::string text = variable("COLUMNS");
  int columns = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
  const bool good = error == std::errc() && end == text.data() + text.size();
  if (good && columns >= 20 && columns <= 10000) return columns;
  return ::isatty(STDOUT_FILENO) == 1 ? kColumnsUnknown : kColumnsOfAPipe;
}

// What was printed and did not arrive, as on a full disk, is no success.
int finish(int code) {
  std::cout.flush();
  if (std::cout) return code;
  std::cerr << "canaryctl: standard output cannot be written\n";
  return code == canaryd::cli::kExitDone ? canaryd::cli::kExitFailed : code;
}

}  // namespace

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): one thread.
  const canaryd::SystemClock clock;
  canaryd::cli::Environment environment{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .clock = clock,
      .in_is_terminal = ::isatty(STDIN_FILENO) == 1,
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .utf8 = std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0,
      .no_color = !variable("NO_COLOR").empty() || variable("TERM") == "dumb",
      .is_dumb = variable("TERM") == "dumb",
      .address = variable("CANARYD_ADDR"),
      .token_file = variable("CANARYD_TOKEN_FILE"),
      .columns = {},
      .rows = {},
      .wait = canaryd::cli::wait_unless_interrupted,
      .interrupted =
          [] { return !canaryd::cli::wait_unless_interrupted(canaryd::Duration::zero()); },
      .show_typing = canaryd::cli::show_typing,
      .read_file = read_file,
      .variable = find_variable,
      .check_secret = check_secret};
  environment.columns = [] { return terminal_size(&winsize::ws_col, columns_otherwise()); };
  environment.rows = [] { return terminal_size(&winsize::ws_row, 0); };
  try {
    return finish(canaryd::cli::run(std::vector<std::string>(argv + 1, argv + argc), environment));
  } catch (const std::exception& error) {
    std::cerr << "canaryctl: " << error.what() << '\n';
    return canaryd::cli::kExitFailed;
  }
}
