#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace canaryd::sim {

FigureTable::FigureTable(std::string title) {
  std::printf("\n%s\n\n| cell | runs | seed | goal | seen | ok |\n|---|---|---|---|---|---|\n",
              title.c_str());
}

FigureTable::~FigureTable() {
  for (std::size_t i = 0; i < reasons_.size(); ++i) {
    std::printf("(%zu) %s\n", i + 1, reasons_[i].c_str());
  }
}

void FigureTable::add(const FigureCell& cell) {
  std::string verdict = cell.ok ? "yes" : "no";
  if (!cell.ok && !cell.known_miss.empty()) {
    reasons_.push_back(cell.known_miss);
    verdict += text(" (%zu)", reasons_.size());
  }
  std::printf("| %s | %d | %llu | %s | %s | %s |\n",
              cell.cell.c_str(),
              cell.runs,
              static_cast<unsigned long long>(cell.seed),
              cell.goal.c_str(),
              cell.seen.c_str(),
              verdict.c_str());
  std::fflush(stdout);
  EXPECT_TRUE(cell.ok || !cell.known_miss.empty())
      << cell.cell << ", seeds from " << cell.seed << ": goal " << cell.goal << ", seen "
      << cell.seen;
}

std::string text(const char* format, ...) {
  char buffer[256];
  std::va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(buffer, sizeof buffer, format, arguments);
  va_end(arguments);
  return std::string(
      buffer,
      length < 0 ? 0 : std::min<std::size_t>(static_cast<std::size_t>(length), sizeof buffer - 1));
}

}  // namespace canaryd::sim
