// Each tests/golden/convert/NAME.TOOL has a NAME.TOOL.out: the configuration, or what is wrong.
// CANARYD_REWRITE_GOLDEN=1 writes them anew; then read the difference.
#include "canaryd/config/load.hpp"
#include "canaryd/convert/convert.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace canaryd::convert {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(CANARYD_SOURCE_DIR) / "tests/golden/convert";

std::string read(const fs::path& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".out") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, IsAsWritten) {
  const fs::path file = kFolder / GetParam();
  Input input;
  input.from = parse_source(file.extension().string().substr(1)).value();
  input.file_name = GetParam();
  input.text = read(file);
  const Conversion result = convert(input);
  std::string text = result.yaml;
  for (const Note& note : result.errors) {
    text += GetParam() + ":" + std::to_string(note.line) + ": error: " + note.message + "\n";
  }
  const fs::path expected = kFolder / (GetParam() + ".out");
  if (std::getenv("CANARYD_REWRITE_GOLDEN") != nullptr) std::ofstream(expected) << text;
  EXPECT_EQ(text, read(expected));
  if (!result.errors.empty()) return;
  config::LoadInput loaded;
  loaded.text = result.yaml;
  EXPECT_TRUE(config::load(loaded).config.has_value());
}

INSTANTIATE_TEST_SUITE_P(Convert, Golden, testing::ValuesIn(cases()), [](const auto& param) {
  std::string name = param.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

}  // namespace
}  // namespace canaryd::convert
