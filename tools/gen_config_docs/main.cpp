// Prints docs/config.md, or with `schema` the JSON Schema, from the field table:
//   gen_config_docs > docs/config.md
#include "canaryd/config/schema.hpp"

#include <cstdio>
#include <string>
#include <string_view>

int main(int argc, char** argv) {
  const bool schema = argc > 1 && std::string_view(argv[1]) == "schema";
  const std::string text =
      schema ? canaryd::config::render_schema() : canaryd::config::render_docs();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
