// Rules between fields: what no single key can know. Reports all that it finds.
#pragma once

#include "canaryd/config/config.hpp"
#include "config/reader.hpp"

namespace canaryd::config {

// `config` may come from a file with problems; what could not be read there (reader.is_bad) is not
// judged again.
void validate(const Config& config, Reader& reader);

// Parts of validate().
void check_timeouts(const Config& config, Reader& in);
void check_health(const Config& config, Reader& in);

}  // namespace canaryd::config
