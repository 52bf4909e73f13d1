// A study in words and as JSON. Pure; any thread.
#pragma once

#include "canaryd/simulate/study.hpp"

#include <string>

namespace canaryd::simulate {

// A table for people, to be read at a width of 80 columns.
[[nodiscard]] std::string render_text(const Scenario& scenario, const Study& study);

// One object, several lines; docs/interfaces.md names its members. Times are seconds, odds and
// rates are fractions; what no run gave is null.
[[nodiscard]] std::string render_json(const Scenario& scenario, const Study& study);

// The figures of both, for titles: "500 requests/s, errors 1 %, of the canary 5 %".
[[nodiscard]] std::string describe(const Traffic& traffic);

}  // namespace canaryd::simulate
