// What comes back from the journal is what went in, exactly, or says why it is not.
#include "control/verdict_record.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace canaryd::control {
namespace {

Evidence some_evidence() {
  Evidence evidence("shop", 3, {});
  evidence.begin_step(BasisPoints(500), BasisPoints(1000), true);
  stats::Block block;
  block.seconds = 1;
  block.stable = {990, 5};
  block.canary = {10, 2};
  evidence.absorb(block);
  return evidence;
}

TEST(VerdictRecord, ComesBackAsItWas) {
  const VerdictRecord record = record_of("errors \"canary\" 20 %", some_evidence());
  const auto read = read_record(serialise(record));
  ASSERT_TRUE(read.has_value()) << describe(read.error());
  EXPECT_EQ(read->text, "errors \"canary\" 20 %");
  EXPECT_EQ(read->run, 3U);
  EXPECT_EQ(read->rows, 3U) << "settings, step, block";
  EXPECT_EQ(read->decision, "hold");
  EXPECT_EQ(read->reason, "needs_evidence");
  ASSERT_EQ(read->figures.size(), record.figures.size());
  for (std::size_t i = 0; i < record.figures.size(); ++i) {
    EXPECT_EQ(read->figures[i].name, record.figures[i].name);
    EXPECT_EQ(read->figures[i].exact, record.figures[i].exact);
  }
}

TEST(VerdictRecord, FiguresAreExact) {
  const VerdictRecord record = record_of("", some_evidence());
  ASSERT_EQ(record.figures.size(), 1 + 6 * 5U);
  EXPECT_EQ(record.figures[0].name, "all");
  for (const VerdictRecord::Figure& figure : record.figures) {
    EXPECT_EQ(std::strtod(figure.exact.c_str(), nullptr), figure.value) << figure.name;
  }
  EXPECT_EQ(record.figures[3].name, "errors/stable_n");
  EXPECT_EQ(record.figures[3].exact, "0x1.efp+9");
}

TEST(VerdictRecord, WithoutEvidenceItIsATextAlone) {
  const std::string text = serialise(record_of("stable fails 60 %"));
  EXPECT_EQ(text, R"({"version":1,"text":"stable fails 60 %"})");
  EXPECT_EQ(read_record(text).value().run, 0U);
  EXPECT_EQ(text_of_record(text), "stable fails 60 %");
}

TEST(VerdictRecord, OtherVersionsSaySo) {
  const auto code = [](const char* text) { return read_record(text).error().code; };
  EXPECT_EQ(code("errors canary 4.1 % vs stable 0.2 %"), ErrorCode::kUnsupported);
  EXPECT_EQ(code(""), ErrorCode::kUnsupported);
  EXPECT_EQ(code(R"({"version":2})"), ErrorCode::kUnsupported);
  EXPECT_EQ(code(R"({"version":1,"text":"","engine":99,"run":1,"rows":1,"figures":{}})"),
            ErrorCode::kUnsupported);
  EXPECT_EQ(text_of_record("errors canary 4.1 %"), "errors canary 4.1 %");
}

TEST(VerdictRecord, DamageIsRefused) {
  for (const char* text : {R"({})",
                           R"({"version":0})",
                           R"({"version":"1"})",
                           R"({"version":1,"engine":1,"run":0,"rows":1,"figures":{}})",
                           R"({"version":1,"engine":1,"run":1,"rows":-1,"figures":{}})",
                           R"({"version":1,"engine":1,"run":1,"rows":1})",
                           R"({"version":1,"engine":1,"run":1,"rows":1,"figures":{"all":4.6}})"}) {
    const auto read = read_record(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kMalformed) << text;
  }
}

}  // namespace
}  // namespace canaryd::control
