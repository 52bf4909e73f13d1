// Each tests/golden/config/NAME.yaml has a NAME.txt: the report that people see. Set
// CANARYD_REWRITE_GOLDEN=1 to write the reports anew, then read the difference.
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace canaryd::config {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(CANARYD_SOURCE_DIR) / "tests/golden/config";

std::string read(const fs::path& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, ReportIsAsWritten) {
  const fs::path yaml = kFolder / (GetParam() + ".yaml");
  LoadInput input;
  input.file_name = yaml.filename().string();
  input.text = read(yaml);
  input.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "SET") return "value";
    if (name == "EMPTY") return "";
    return std::nullopt;
  };
  const LoadResult result = load(input);
  std::string report = render_problems_text(result.problems, input.file_name);
  if (report.empty()) report = "valid\n";
  const fs::path expected = kFolder / (GetParam() + ".txt");
  if (std::getenv("CANARYD_REWRITE_GOLDEN") != nullptr) std::ofstream(expected) << report;
  EXPECT_EQ(report, read(expected));
  EXPECT_EQ(result.config.has_value(), count_errors(result.problems) == 0);
}

INSTANTIATE_TEST_SUITE_P(Config, Golden, testing::ValuesIn(cases()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(GoldenCorpus, CoversTheErrorKinds) {
  EXPECT_GE(cases().size(), 40U);
}

}  // namespace
}  // namespace canaryd::config
