// Another tool's file, whose first byte says which tool's: whatever the bytes, the result is a
// configuration that loads, or an error; and the notes are bounded.
#include "canaryd/base/error.hpp"
#include "canaryd/config/load.hpp"
#include "canaryd/convert/convert.hpp"
#include "fuzz/fuzz_target.hpp"

#include <string>

using namespace canaryd;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  if (text.empty()) return 0;
  convert::Input input;
  input.from = text[0] == 'a'   ? convert::Source::kArgo
               : text[0] == 'f' ? convert::Source::kFlagger
                                : convert::Source::kNginx;
  input.file_name = "fuzz";
  input.text = text.substr(1);
  const convert::Conversion result = convert::convert(input);
  CANARYD_ASSERT(result.warnings.size() <= convert::kNotesMax + 1);
  CANARYD_ASSERT(result.yaml.empty() == !result.errors.empty());
  if (!result.errors.empty()) return 0;
  config::LoadInput loaded;
  loaded.text = result.yaml;
  CANARYD_ASSERT(config::load(loaded).config.has_value());
  return 0;
}
