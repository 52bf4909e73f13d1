#include "daemon/convert_command.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/config/load.hpp"
#include "canaryd/convert/convert.hpp"
#include "daemon/config_file.hpp"

#include <iostream>
#include <utility>

namespace canaryd::daemon {
namespace {

Result<std::string> read_input(const std::string& file) {
  if (file != "-") return read_file(file);
  std::string text(config::kMaxFileBytes + 1, '\0');
  std::cin.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::cin.gcount()));
  return text;
}

void print(const std::string& file, const char* severity, const std::vector<convert::Note>& notes) {
  for (const convert::Note& note : notes) {
    std::string line = file;
    if (note.line > 0) line += ":" + std::to_string(note.line);
    line += std::string(": ") + severity + ": " + note.message;
    std::string safe;
    append_printable(safe, line);
    std::cerr << safe << '\n';
  }
}

}  // namespace

int convert_file(const CommandLine& line) {
  const auto source = convert::parse_source(line.convert.from);
  if (!source) return kExitUsage;
  const std::string& file = line.convert.file;
  auto text = read_input(file);
  if (!text) {
    std::cerr << "canaryd convert: " << file << ": " << text.error().context << '\n';
    return kExitFailed;
  }
  convert::Input input;
  input.from = *source;
  input.file_name = file == "-" ? "<stdin>" : file;
  input.text = std::move(*text);
  input.listen = line.convert.listen;
  const convert::Conversion result = convert::convert(input);
  print(input.file_name, "warning", result.warnings);
  print(input.file_name, "error", result.errors);
  if (!result.errors.empty()) return kExitConfig;
  std::cout << result.yaml << std::flush;
  return std::cout ? kExitDone : kExitFailed;
}

}  // namespace canaryd::daemon
