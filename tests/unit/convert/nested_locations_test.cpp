// Locations within locations: each has the requests that nginx gives it, or it is said who has.
#include "unit/convert/run.hpp"

namespace canaryd::convert {
namespace {

// In a server of any host, from line 5 on.
Conversion nested(const std::string& locations) {
  return servers_of("server {\nlocation / { proxy_pass http://$way; }\n" + locations + "}\n");
}

TEST(ConvertNested, APrefixInAPrefixIsARouteOfItsOwn) {
  const Conversion result = nested(
      "location /api/ {\n"
      "  proxy_pass http://a;\n"
      "  location /api/v2/ {\n"
      "    proxy_pass http://b;\n"
      "    location = /api/v2/beta { proxy_pass http://$way; }\n"
      "  }\n"
      "  location ^~ /api/v3/ { proxy_pass http://$way; }\n"
      "}\n");
  EXPECT_EQ(ways_of(result),
            "* / way\n* /api/ a\n* /api/v2/ b\n* /api/v2/beta way\n* /api/v3/ way\n");
  const auto config = loaded(result);
  EXPECT_EQ(config->routes.at(3).match.path_kind, config::Match::Path::kExact);
  EXPECT_EQ(warnings_with(result, "location"), 0U);
}

TEST(ConvertNested, EachHostHasThem) {
  const Conversion result = servers_of(
      "server { server_name x.test y.test; location / { proxy_pass http://$way; location /s { "
      "proxy_pass http://a; } } }\n"
      "server { server_name z.test; location / { proxy_pass http://b; } }\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /s a\nz.test / b\n");
}

// What is around it leads only its own requests somewhere.
TEST(ConvertNested, NothingIsHandedDownButWhoMayCome) {
  Conversion result = nested(
      "location /a/ { proxy_pass http://a;\n"
      "  location /a/files/ { root /srv; }\n"
      "}\n"
      "location /b/ { return 404;\n"
      "  location /b/c/ { proxy_pass http://b; }\n"
      "}\n"
      "location /d/ { root /srv; location /d/e/ { return 204; } }\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /a/ a\n* /b/ 404 \n* /b/c/ b\n* /d/e/ 204 \n");
  EXPECT_TRUE(
      warns(result,
            {7, "location /a/files/ is no route here: requests for it go to a, as those for /a/"}));
  EXPECT_TRUE(warns(
      result, {12, "location /d/ is no route here: requests for it go to way, as those for /"}));

  result = nested(
      "location /in/ { deny all; proxy_pass http://a;\n"
      "  location /in/too/ { proxy_pass http://a; }\n"
      "  location /in/open/ { allow all; proxy_pass http://b;\n"
      "    location /in/open/more/ { proxy_pass http://b; }\n"
      "  }\n"
      "  location /in/some/ { satisfy any; auth_basic on; proxy_pass http://b; }\n"
      "}\n");
  EXPECT_EQ(ways_of(result),
            "* / way\n* /in/ 403 \n* /in/too/ 403 \n* /in/open/ b\n* /in/open/more/ b\n"
            "* /in/some/ b\n");
  EXPECT_TRUE(warns(
      result, {8, "allow of location /in/open/ is not carried over: it keeps nobody out here"}));
  EXPECT_TRUE(warns(
      result,
      {11, "auth_basic of location /in/some/ is not carried over: it keeps nobody out here"}));
}

// nginx chooses in the server first: a longer prefix there has the requests of what is in a
// shorter one, which the longest path of all would not.
TEST(ConvertNested, WhatNoRequestComesToIsLeftOut) {
  const Conversion result = nested(
      "location /shop { proxy_pass http://a;\n"
      "  location /shop/cart/new/ { proxy_pass http://b; }\n"
      "  location = /shop/exact { proxy_pass http://b; }\n"
      "  location /shop/other/ { proxy_pass http://b; location /shop/other/x/ { proxy_pass "
      "http://a; } }\n"
      "}\n"
      "location /shop/cart/ { proxy_pass http://$way; }\n"
      "location = /shop/exact { proxy_pass http://$way; }\n"
      "location /shop/other/x { proxy_pass http://$way; }\n"
      "location ~ ^/shop/other { root /srv; }\n");
  EXPECT_EQ(ways_of(result),
            "* / way\n* /shop a\n* /shop/other/ b\n* /shop/cart/ way\n* /shop/exact way\n"
            "* /shop/other/x way\n");
  const auto left_out = [&](std::uint32_t line, const std::string& path, const std::string& to) {
    return warns(result,
                 {line,
                  "location " + path + " is left out: its requests go to location " + to +
                      ", which is not in location /shop"});
  };
  EXPECT_TRUE(left_out(7, "/shop/cart/new/", "/shop/cart/"));
  EXPECT_TRUE(left_out(8, "/shop/exact", "/shop/exact"));
  EXPECT_TRUE(left_out(9, "/shop/other/x/", "/shop/other/x"));
}

TEST(ConvertNested, OfOnePathTheInnermostHasTheRequests) {
  const auto left_out = [](const Conversion& result, std::uint32_t line, std::uint32_t inner) {
    return warns(result,
                 {line,
                  "location /p is left out: that of line " + std::to_string(inner) +
                      ", which is in it, has its requests"});
  };
  Conversion result = nested(
      "location /p { proxy_pass http://$way;\n"
      "  location /p { return 404;\n"
      "    location /p { proxy_pass http://b; }\n"
      "  }\n"
      "}\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /p b\n");
  EXPECT_TRUE(left_out(result, 6, 7));
  EXPECT_TRUE(left_out(result, 7, 8));

  // What leads to the same place is missed by nobody.
  result = nested("location /p { proxy_pass http://a; location /p { proxy_pass http://a; } }\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /p a\n");
  EXPECT_EQ(warnings_with(result, "left out"), 0U);

  // Only within each other: one server is not in the other.
  result = servers_of(
      "server { server_name x.test; location / { proxy_pass http://$way; }\n"
      "location /p { proxy_pass http://$way; } }\n"
      "server { server_name x.test; listen 443; location /p { proxy_pass http://$way;\n"
      "location /p { proxy_pass http://b; } } }\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /p way\n");
  EXPECT_EQ(warnings_with(result, "is for the same requests, and leads elsewhere"), 1U);
}

TEST(ConvertNested, PatternsAreLeftOutWithWhatIsInThem) {
  const Conversion result = nested(
      "location /static/ { proxy_pass http://a;\n"
      "  location ~ [.]php$ { proxy_pass http://b; location ~ ^/static/x { proxy_pass http://b; } "
      "}\n"
      "}\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /static/ a\n");
  for (const char* const pattern : {"[.]php$", "^/static/x"}) {
    EXPECT_TRUE(warns(result,
                      {7,
                       "location " + std::string(pattern) +
                           " is left out: routes are paths and prefixes, not patterns; where no "
                           "longer path fits, requests for it go to a, as those for /static/"}))
        << pattern;
  }
}

// nginx takes no such file.
TEST(ConvertNested, WhatIsOutsideOfWhatIsAroundItIsLeftOut) {
  const Conversion result = nested(
      "location /a/ { proxy_pass http://a; location /b/ { proxy_pass http://b; } }\n"
      "location = /c { proxy_pass http://a; location /c/d { proxy_pass http://b; } }\n");
  EXPECT_EQ(ways_of(result), "* / way\n* /a/ a\n* /c a\n");
  EXPECT_TRUE(warns(
      result, {6, "location /b/ is left out: it is outside of location /a/, in which it stands"}));
  EXPECT_TRUE(warns(
      result, {7, "location /c/d is left out: it is outside of location /c, in which it stands"}));
}

TEST(ConvertNested, OneWithoutAPathIsAnError) {
  EXPECT_EQ(first_error(nested("location /a/ { location { proxy_pass http://a; } }\n")),
            "6: location needs a path");
}

}  // namespace
}  // namespace canaryd::convert
