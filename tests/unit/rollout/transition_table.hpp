// The transitions of a rollout as the machine makes them: found by asking it everything, printed as
// the part of docs/rollout-states.md that is generated.
#pragma once

#include <string>

namespace canaryd::rollout::test {

// A Mermaid diagram and a table.
[[nodiscard]] std::string render_transitions();

// The document with that part in place of the one between its marks. Empty: it has no marks.
[[nodiscard]] std::string with_transitions(const std::string& document);

}  // namespace canaryd::rollout::test
