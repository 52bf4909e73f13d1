// The outcome of a replay for people and for programs (docs/interfaces.md, "Replay"). Pure.
#pragma once

#include "canaryd/replay/replay.hpp"

#include <cstdint>
#include <string>

namespace canaryd::replay {

// What became of the lines.
struct LineCounts {
  std::uint64_t read = 0;
  std::uint64_t evidence = 0;
  std::uint64_t skipped = 0;  // Malformed; with --lenient.
};

// One JSON object in one line.
[[nodiscard]] std::string render_json(const Outcome& outcome, const LineCounts& lines);
[[nodiscard]] std::string render_text(const Outcome& outcome, const LineCounts& lines);

}  // namespace canaryd::replay
