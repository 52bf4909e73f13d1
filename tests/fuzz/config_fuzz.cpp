// A file: whatever the bytes, it is a Config or a bounded report; what loads is dumped, and the
// dump loads back to the same Config.
#include "canaryd/base/error.hpp"
#include "canaryd/config/load.hpp"
#include "canaryd/config/schema.hpp"
#include "fuzz/fuzz_target.hpp"

#include <string>

using namespace canaryd::config;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  LoadInput input;
  input.file_name = "fuzz.yaml";
  input.text = canaryd::fuzz::text_of(data, size);
  input.environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "SET") return "127.0.0.1:80";
    return std::nullopt;
  };
  const LoadResult result = load(input);
  CANARYD_ASSERT(result.config.has_value() == (count_errors(result.problems) == 0));
  CANARYD_ASSERT(result.problems.size() <= kMaxProblems + 1);
  CANARYD_ASSERT(render_problems_text(result.problems, "x").size() < 400'000);
  CANARYD_ASSERT(!render_problems_json(result.problems, "x").empty());
  if (!result.config) return 0;
  input.text = render_dump(*result.config);
  const LoadResult again = load(input);
  CANARYD_ASSERT(again.config.has_value() && *again.config == *result.config);
  return 0;
}
