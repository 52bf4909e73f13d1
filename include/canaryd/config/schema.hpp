// Texts made from the field table that also drives load(): the key reference, the JSON Schema and
// the dump. Pure; the caller prints or writes them.
#pragma once

#include "canaryd/config/config.hpp"

#include <string>
#include <string_view>

namespace canaryd::config {

// `canaryd config-dump`: YAML with every default filled in; loads back to an equal Config.
[[nodiscard]] std::string render_dump(const Config& config);

// The same for others than who wrote the file, with "***" in place of what may be a secret: the
// user and the values of the query in each URL and in the path of a health check, and all arguments
// of a program. Loads too, to the Config that is left.
[[nodiscard]] std::string render_masked_dump(const Config& config);

// The first as JSON on one line.
[[nodiscard]] std::string render_config_json(const Config& config);

// `canaryd schema`: JSON Schema (draft 2020-12), indented.
[[nodiscard]] std::string render_schema();

// docs/config.md.
[[nodiscard]] std::string render_docs();

// canaryd.yaml(5), from the same table.
[[nodiscard]] std::string render_man(std::string_view version);

}  // namespace canaryd::config
