// The manual page of a program: its commands and options come from the parser, the rest from here.
#pragma once

#include "canaryd/manual/program.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::manual {

// A section behind the options: "EXIT STATUS" with {"0", "Done."}, ... A term without a meaning is
// a sentence.
struct Part {
  std::string title;
  std::vector<std::pair<std::string, std::string>> terms;
};

struct Page {
  int section = 1;
  std::string description;
  std::vector<Part> parts;
};

[[nodiscard]] std::string render_man(const Program& program, const Page& page);

}  // namespace canaryd::manual
