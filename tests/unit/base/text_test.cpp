#include "canaryd/base/text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace canaryd {
namespace {

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string json(double number) {
  std::string out;
  append_json_number(out, number);
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

TEST(JsonString, KeepsPrintableText) {
  EXPECT_EQ(json("plain"), R"("plain")");
  EXPECT_EQ(json("größe € 𝄞"), "\"größe € 𝄞\"");
  EXPECT_EQ(json(""), R"("")");
}

TEST(JsonString, EscapesWhatWouldEndTheStringOrMoveTheCursor) {
  EXPECT_EQ(json("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(json("\n\r\t"), R"("\n\r\t")");
  EXPECT_EQ(json(std::string_view("\x00\x1b[2J\x7f", 6)), R"("\u0000\u001b[2J\u007f")");
  EXPECT_EQ(json("\xC2\x9B"), R"("\u009b")");      // C1: CSI in one character.
  EXPECT_EQ(json("\xE2\x80\xA8"), R"("\u2028")");  // Line separator.
  EXPECT_EQ(json("a\xE2\x80\xAE"
                 "b"),
            R"("a\u202eb")");  // Right-to-left override.
}

// Of bidirectional text: marks, embeddings, overrides and isolates. Their neighbours are characters
// like any other.
const char* const kBidirectional[] = {
    "\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"};
const char* const kBesideThem[] = {"\u061b", "\u061d", "\u200d", "\u2010", "\u202f", "\u2065"};

TEST(JsonString, EscapesWhatReordersTheLine) {
  EXPECT_EQ(json("a\u061c\u200e\u200f\u2066z"), R"("a\u061c\u200e\u200f\u2066z")");
  for (const char* text : kBidirectional) EXPECT_EQ(json(text).substr(0, 3), R"("\u)") << text;
  for (const char* text : kBesideThem) {
    EXPECT_EQ(json(text), '"' + std::string(text) + '"') << json(text);
  }
}

TEST(JsonString, ReplacesEachInvalidByte) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(json("a\xFF"), "\"a" + r + "\"");
  EXPECT_EQ(json("\xC3"), "\"" + r + "\"");                          // Cut short.
  EXPECT_EQ(json("\xC0\xAF"), "\"" + r + r + "\"");                  // Overlong "/".
  EXPECT_EQ(json("\xED\xA0\x80"), "\"" + r + r + r + "\"");          // Surrogate.
  EXPECT_EQ(json("\xF4\x90\x80\x80"), "\"" + r + r + r + r + "\"");  // Above U+10FFFF.
  EXPECT_EQ(json("\xE2\x82\""), "\"" + r + r + "\\\"\"");            // The quote is not swallowed.
}

TEST(JsonNumber, IsShortAndExact) {
  EXPECT_EQ(json(5.0), "5");
  EXPECT_EQ(json(0.0021), "0.0021");
  EXPECT_EQ(json(0.0001), "0.0001");
  EXPECT_EQ(json(-0.25), "-0.25");
  EXPECT_EQ(json(0.0), "0");
  EXPECT_EQ(json(15433.0), "15433");
  EXPECT_EQ(json(1e300), "1e+300");
  EXPECT_EQ(json(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(json(std::numeric_limits<double>::infinity()), "null");
}

TEST(Printable, ReplacesControlsAndInvalidBytes) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(printable("größe \"x\""), "größe \"x\"");
  EXPECT_EQ(printable("a\x1b[31mb\n"), "a" + r + "[31mb" + r);
  EXPECT_EQ(printable("\x80"), r);
}

TEST(Printable, ReplacesWhatReordersTheLine) {
  const std::string r = "\xEF\xBF\xBD";
  for (const char* text : kBidirectional) {
    EXPECT_EQ(printable("a" + std::string(text) + "b"), "a" + r + "b");
  }
  for (const char* text : kBesideThem) EXPECT_EQ(printable(text), text);
}

}  // namespace
}  // namespace canaryd
