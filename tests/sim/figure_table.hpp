// A table of what the simulations measured beside what the engine is held to. One line is a cell:
// how many runs from which seed, the goal, what was seen, and whether it is enough. A cell that
// misses its goal fails the test, unless its reason is known and given: then the table says "no"
// and the reason stands below it, and no goal is softened.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace canaryd::sim {

struct FigureCell {
  std::string cell;
  int runs = 0;
  std::uint64_t seed = 0;  // Of the first run.
  std::string goal;
  std::string seen;
  bool ok = false;
  std::string known_miss = {};  // Why the goal is missed; empty: it must not be.
};

class FigureTable {
 public:
  explicit FigureTable(std::string title);
  FigureTable(const FigureTable&) = delete;
  FigureTable& operator=(const FigureTable&) = delete;
  // Prints the reasons.
  ~FigureTable();

  // Prints the line.
  void add(const FigureCell& cell);

 private:
  std::vector<std::string> reasons_;
};

// printf into a string.
[[nodiscard]] [[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...);

}  // namespace canaryd::sim
