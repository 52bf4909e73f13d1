#include "canaryd/http/trace_context.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::http {
namespace {

constexpr std::string_view kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kParent = "b7ad6b7169203331";

std::string text(std::string_view version = "00",
                 std::string_view trace = kTrace,
                 std::string_view parent = kParent,
                 std::string_view flags = "01",
                 std::string_view rest = "") {
  std::string all(version);
  return all.append("-").append(trace).append("-").append(parent).append("-").append(flags).append(
      rest);
}

TEST(TraceContext, ReadsAValidOne) {
  const std::string value = text();
  const auto read = parse_traceparent(value);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->trace_id, kTrace);
  EXPECT_EQ(read->parent_id, kParent);
  EXPECT_TRUE(read->sampled);
}

// W3C Trace Context, section 3.2.2.
TEST(TraceContext, ValidAndInvalid) {
  const std::string zeros(32, '0');
  const struct {
    std::string value;
    bool valid;
    const char* why;
  } cases[] = {
      {text(), true, "the example of the recommendation"},
      {text("00", kTrace, kParent, "00"), true, "not sampled"},
      {text("00", kTrace, kParent, "ff"), true, "flags of version 00 that mean nothing yet"},
      {text("00", kTrace, kParent, "0"), false, "one digit of flags"},
      {text("00", kTrace, kParent, "0g"), false, "flags are hexadecimal"},
      {text("00", kTrace, kParent, "0A"), false, "lower-case flags"},
      {text("00", kTrace, kParent, "01", "-"), false, "version 00 ends there"},
      {text("00", kTrace, kParent, "01", "-what"), false, "version 00 ends there"},
      {text("00", kTrace, kParent, "01", " "), false, "a space behind it"},
      {text("cc", kTrace, kParent, "01"), true, "a later version"},
      {text("cc", kTrace, kParent, "01", "-what.the.future"), true, "a later version says more"},
      {text("cc", kTrace, kParent, "01", "-"), true, "a later version says more"},
      {text("cc", kTrace, kParent, "01", "."), false, "more only behind a dash"},
      {text("01", kTrace, kParent, "01", "0"), false, "more only behind a dash"},
      {text("ff"), false, "the version that is none"},
      {text("FF"), false, "upper case"},
      {text("0g"), false, "a version is hexadecimal"},
      {text("0"), false, "one digit of version"},
      {text("00", zeros), false, "a trace id of zeros"},
      {text("00", kTrace, std::string(16, '0')), false, "a parent id of zeros"},
      {text("00", "0AF7651916CD43DD8448EB211C80319C"), false, "an upper-case trace id"},
      {text("00", kTrace, "B7AD6B7169203331"), false, "an upper-case parent id"},
      {text("00", kTrace.substr(1)), false, "a short trace id"},
      {text("00", std::string(kTrace) + "0"), false, "a long trace id"},
      {text("00", kTrace, kParent.substr(1)), false, "a short parent id"},
      {text("00", kTrace, std::string(kParent) + "0"), false, "a long parent id"},
      {text("00", "0af7651916cd43dd8448eb211c80319."), false, "a dot in the trace id"},
      {text("00", kTrace, "b7ad6b716920333."), false, "a dot in the parent id"},
      {"00_" + text().substr(3), false, "another separator"},
      {text() + "," + text(), false, "two in one field"},
      {" " + text(), false, "a space before it"},
      {"", false, "nothing"},
      {"00", false, "a version alone"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(parse_traceparent(c.value).has_value(), c.valid) << c.value << ": " << c.why;
  }
}

TEST(TraceContext, TheSampledFlagIsTheLowestBit) {
  for (const auto& [flags, sampled] : {std::pair{"00", false},
                                       std::pair{"01", true},
                                       std::pair{"02", false},
                                       std::pair{"03", true},
                                       std::pair{"0a", false},
                                       std::pair{"0b", true},
                                       std::pair{"f0", false}}) {
    EXPECT_EQ(parse_traceparent(text("00", kTrace, kParent, flags))->sampled, sampled) << flags;
  }
}

TEST(TraceContext, EveryShorterTextIsInvalid) {
  const std::string whole = text("01", kTrace, kParent, "01", "-more");
  for (std::size_t size = 0; size < 55; ++size) {
    EXPECT_FALSE(parse_traceparent(whole.substr(0, size)).has_value()) << size;
  }
}

TEST(TraceContext, ARequestHasOneOrNone) {
  const std::string value = text();
  FieldList fields;
  EXPECT_FALSE(trace_parent(fields).has_value());
  fields.add("TraceParent", value);
  EXPECT_TRUE(trace_parent(fields).has_value());
  fields.add("traceparent", value);
  EXPECT_FALSE(trace_parent(fields).has_value());
}

TEST(TraceContext, AFreshOneIsValidAndAnother) {
  Random random(7);
  const FreshTraceParent one(random, true);
  const FreshTraceParent two(random, false);
  ASSERT_TRUE(parse_traceparent(one.text()).has_value());
  ASSERT_TRUE(parse_traceparent(two.text()).has_value());
  EXPECT_EQ(parse_traceparent(one.text())->trace_id, one.trace_id());
  EXPECT_TRUE(parse_traceparent(one.text())->sampled);
  EXPECT_FALSE(parse_traceparent(two.text())->sampled);
  EXPECT_NE(one.trace_id(), two.trace_id());
  EXPECT_NE(parse_traceparent(one.text())->parent_id, parse_traceparent(two.text())->parent_id);
}

}  // namespace
}  // namespace canaryd::http
