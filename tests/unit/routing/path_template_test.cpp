#include "canaryd/routing/path_template.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::routing {
namespace {

std::string error_of(std::string_view text) {
  const auto shape = parse_template(text);
  return shape ? "" : shape.error().context;
}

TEST(PathTemplate, KnowsItsSegmentsAndVariables) {
  EXPECT_EQ(parse_template("/v1/orders/{id}").value(), (TemplateShape{3, 0b100}));
  EXPECT_EQ(parse_template("/{tenant}/orders/{id}/").value(), (TemplateShape{4, 0b101}));
  EXPECT_EQ(parse_template("/{_a1}").value(), (TemplateShape{1, 1}));
}

TEST(PathTemplate, SaysWhatIsWrong) {
  EXPECT_EQ(error_of("orders/{id}"), "it does not begin with /");
  EXPECT_EQ(error_of("/orders"), "it has no variable");
  for (const char* text :
       {"/a/{id}.json", "/a/v{id}", "/{", "/}", "/{{a}}", "/{a}{b}", "/a{", "/}a{"}) {
    EXPECT_TRUE(error_of(text).starts_with("a variable is a whole segment")) << text;
  }
  for (const char* text : {"/{}", "/{1a}", "/{a-b}", "/{a...}", "/{ä}"}) {
    EXPECT_TRUE(error_of(text).starts_with("the name of a variable")) << text;
  }
  EXPECT_EQ(error_of("/{a}/{a}"), "the variable \"{a}\" stands there twice");
  std::string longest;
  for (std::size_t i = 1; i < kTemplateSegmentsMax; ++i) longest += "/a";
  EXPECT_EQ(error_of(longest + "/{a}"), "");
  EXPECT_EQ(error_of("/a" + longest + "/{a}"), "it has more than 32 segments");
}

TEST(PathTemplate, NamesMeanNothing) {
  EXPECT_EQ(without_names("/v1/{a}/x/{b}/"), "/v1/{}/x/{}/");
  EXPECT_EQ(without_names("/v1"), "/v1");
}

TEST(PathTemplate, MoreLiteralsFirstThenTheEarlierOne) {
  const auto shape = [](std::string_view text) { return parse_template(text).value(); };
  EXPECT_TRUE(goes_before(shape("/a/b/{x}"), shape("/a/{x}/{y}")));
  EXPECT_FALSE(goes_before(shape("/a/{x}/{y}"), shape("/a/b/{x}")));
  EXPECT_TRUE(goes_before(shape("/a/b/{x}"), shape("/a/{x}/c")));
  EXPECT_FALSE(goes_before(shape("/a/{x}/c"), shape("/a/b/{x}")));
  EXPECT_TRUE(goes_before(shape("/a/{x}/c/{y}"), shape("/{x}/b/{y}/d")));
  EXPECT_FALSE(goes_before(shape("/a/{x}"), shape("/b/{y}")));
}

TEST(PathTemplate, CountsSegments) {
  EXPECT_EQ(count_segments("*"), 0U);
  EXPECT_EQ(count_segments("/"), 1U);
  EXPECT_EQ(count_segments("/a/b"), 2U);
  EXPECT_EQ(count_segments("/a/b/"), 3U);
  EXPECT_EQ(count_segments(std::string(1000, '/')), kTemplateSegmentsMax + 1);
}

}  // namespace
}  // namespace canaryd::routing
