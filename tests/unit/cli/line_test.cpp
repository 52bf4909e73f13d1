#include "cli/line.hpp"

#include "canaryd/cli/status_screen.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

constexpr ScreenOptions kPlain{.columns = 20, .color = false, .utf8 = true};

TEST(Line, CutsAtTheWidth) {
  EXPECT_EQ(Line().add("12345678901234567890").finish(kPlain), "12345678901234567890\n");
  EXPECT_EQ(Line().add("1234567890").add("12345678901").finish(kPlain), "1234567890123456789…\n");
  EXPECT_EQ(
      Line().add("123456789012345678901").finish({.columns = 20, .color = false, .utf8 = false}),
      "1234567890123456789.\n");
}

TEST(Line, CountsColumnsAndNotBytes) {
  EXPECT_EQ(display_width("größe"), 5);
  EXPECT_EQ(display_width("日本"), 4);
  EXPECT_EQ(display_width("✅⚡✓"), 5) << "two of them are wide";
  EXPECT_EQ(Line().add("äöüäöüäöüäöüäöüäöüäö").finish(kPlain), "äöüäöüäöüäöüäöüäöüäö\n");
  EXPECT_EQ(Line().add("日本日本日本日本日本日").finish(kPlain), "日本日本日本日本日…\n");
}

TEST(Line, WhatIsFinishedCanBeCutAgain) {
  const std::string line = "\x1b[32mabc日\x1b[0m\x1b[2mdef\x1b[0m";
  EXPECT_EQ(width_on_screen(line), 8);
  EXPECT_EQ(cut_to_width(line, 8), line);
  EXPECT_EQ(cut_to_width(line, 4), "\x1b[32mabc\x1b[0m\x1b[2m\x1b[0m");
  EXPECT_EQ(width_on_screen("\x1b[3"), 3) << "no colour";
}

TEST(Line, PadsOnEitherSide) {
  EXPECT_EQ(Line().add_left("a", 3).add_right("b", 3).add("|").finish(kPlain), "a    b|\n");
  EXPECT_EQ(Line().add_right("toolong", 3).finish(kPlain), "toolong\n");
}

TEST(Line, KeepsForeignEscapesOutAndItsOwnComplete) {
  const ScreenOptions color{.columns = 20, .color = true, .utf8 = true};
  EXPECT_EQ(Line().add("a\x1b[31m\r\n\x07", Style::kGood).finish(color),
            "\x1b[32ma\xEF\xBF\xBD[31m\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x1b[0m\n");
  // A cut piece is still switched off.
  EXPECT_EQ(Line().add("123456789012345678901", Style::kBad).finish(color),
            "\x1b[31m1234567890123456789\x1b[0m…\n");
  EXPECT_EQ(Line()
                .add("\xC2\x9B"
                     "2J")
                .finish(kPlain),
            "\xEF\xBF\xBD"
            "2J\n");
}

TEST(Line, WritesQuestionMarksWithoutUtf8) {
  EXPECT_EQ(Line().add("größe").finish({.columns = 20, .color = false, .utf8 = false}),
            "gr?"
            "?e\n");
}

TEST(Flow, BreaksBetweenPieces) {
  const Line gap = Line().add("  ");
  const std::vector<Line> pieces{Line().add("first"), Line().add("second"), Line().add("third")};
  EXPECT_EQ(flow(pieces, gap, 2, kPlain), "first  second  third\n");
  EXPECT_EQ(flow(pieces, gap, 2, {.columns = 13, .color = false, .utf8 = true}),
            "first  second\n  third\n");
}

}  // namespace
}  // namespace canaryd::cli
