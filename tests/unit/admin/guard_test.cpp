#include "admin/guard.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

Request request_to(const char* host) {
  Request request;
  request.method = "POST";
  request.target = "/api/v1/drain";
  request.host = host;
  return request;
}

int status_of(const Request& request) {
  const auto problem = check_source(request, true);
  return problem ? problem->status : 200;
}

TEST(Guard, AcceptsTheLoopbackByAnyOfItsNames) {
  for (const char* host : {"127.0.0.1",
                           "127.0.0.1:9901",
                           "127.3.2.1:1",
                           "localhost",
                           "LOCALHOST:9901",
                           "canary.localhost:80",
                           "[::1]",
                           "[::1]:9901"}) {
    EXPECT_EQ(status_of(request_to(host)), 200) << host;
  }
}

TEST(Guard, RefusesNamesThatAPageCouldPointAtUs) {
  for (const char* host : {"evil.example",
                           "evil.example:9901",
                           "localhost.evil.example",
                           "127.0.0.1.evil.example",
                           "evillocalhost",
                           "10.0.0.1",
                           "0.0.0.0",
                           "[::2]:9901",
                           "[::1",
                           "::1",
                           "127.0.0.1:9901:1",
                           "127.0.0.1:x",
                           "localhost@evil.example",
                           ""}) {
    EXPECT_EQ(status_of(request_to(host)), 421) << host;
  }
}

TEST(Guard, NeedsAHost) {
  Request request = request_to("");
  request.host.reset();
  EXPECT_EQ(status_of(request), 400);
}

TEST(Guard, LetsAUnixSocketNameAnyHost) {
  Request request = request_to("canaryd");
  request.from_unix_socket = true;
  EXPECT_EQ(status_of(request), 200);
}

TEST(Guard, RefusesOtherOrigins) {
  Request request = request_to("localhost:9901");
  request.origin = "http://localhost:9901";
  EXPECT_EQ(status_of(request), 200);
  // The one on port 3000 is another program on this machine.
  for (const char* origin : {"http://evil.example",
                             "https://localhost:9901",
                             "http://localhost",
                             "http://localhost:3000",
                             "null",
                             ""}) {
    request.origin = origin;
    EXPECT_EQ(status_of(request), 403) << origin;
  }
}

TEST(Guard, RefusesWhatOtherSitesAskForReadingIncluded) {
  Request request = request_to("localhost:9901");
  for (const char* site : {"cross-site", "same-site"}) {
    request.fetch_site = site;
    request.method = "POST";
    EXPECT_EQ(status_of(request), 403) << site;
    request.method = "GET";
    EXPECT_EQ(status_of(request), 403) << site;
  }
  request.fetch_site = "none";
  EXPECT_EQ(status_of(request), 200);
  request.method = "POST";
  request.fetch_site = "same-origin";
  EXPECT_EQ(status_of(request), 200);
}

TEST(Guard, LetsALinkLeadToThePage) {
  Request request = request_to("localhost:9901");
  request.fetch_site = "cross-site";
  EXPECT_FALSE(check_source(request, true, true).has_value());
  request.origin = "http://evil.example";
  EXPECT_EQ(check_source(request, true, true).value().status, 403);
  request.origin.reset();
  request.host = "evil.example";
  EXPECT_EQ(check_source(request, true, true).value().status, 421);
}

TEST(Guard, TakesAnOriginWithTlsThatSomebodyInFrontHasEnded) {
  Request request = request_to("admin.example");
  request.origin = "https://Admin.example";
  EXPECT_FALSE(check_source(request, false).has_value());
  request.origin = "https://admin.example.evil.example";
  EXPECT_EQ(check_source(request, false).value().status, 403);
}

TEST(Guard, TakesAnyNameWhereOthersCanConnect) {
  Request request = request_to("admin.example:9901");
  EXPECT_FALSE(check_source(request, false).has_value());
  request.origin = "http://evil.example";
  EXPECT_EQ(check_source(request, false).value().status, 403);
}

TEST(Guard, RefusesWhatAProxyOfOursHasForwarded) {
  for (const char* via : {"1.1 canaryd", "1.0 fred, 1.1 Canaryd", "1.1 canaryd, 1.1 nginx"}) {
    Request request = request_to("localhost:9901");
    request.via = via;
    EXPECT_EQ(status_of(request), 403) << via;
    request.from_unix_socket = true;
    EXPECT_EQ(status_of(request), 403) << via;
  }
  Request request = request_to("localhost:9901");
  request.via = "1.1 nginx";
  EXPECT_EQ(status_of(request), 200);
}

}  // namespace
}  // namespace canaryd::admin
