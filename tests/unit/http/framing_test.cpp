#include "canaryd/http/framing.hpp"

#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace canaryd::http {
namespace {

using test::parse_request;
using test::parse_response;

Refusal request_with(const std::string& fields, const std::string& version = "HTTP/1.1") {
  return parse_request("POST / " + version + "\r\n" + fields + "\r\n")->refused.why;
}

BodyFraming body_of(const std::string& fields, const std::string& version = "HTTP/1.1") {
  const auto parsed = parse_request("POST / " + version + "\r\nHost: a\r\n" + fields + "\r\n");
  EXPECT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
  return parsed->head.framing;
}

TEST(RequestFramingTest, Rfc9112Section6_3Bodies) {
  EXPECT_EQ(body_of(""), (BodyFraming{BodyKind::kNone, 0}));
  EXPECT_EQ(body_of("Content-Length: 0\r\n"), (BodyFraming{BodyKind::kLength, 0}));
  EXPECT_EQ(body_of("Content-Length: 42\r\n"), (BodyFraming{BodyKind::kLength, 42}));
  EXPECT_EQ(body_of("Content-Length: 42\r\n", "HTTP/1.0"), (BodyFraming{BodyKind::kLength, 42}));
  EXPECT_EQ(body_of("Content-Length: 18446744073709551615\r\n"),
            (BodyFraming{BodyKind::kLength, ~std::uint64_t{0}}));
  EXPECT_EQ(body_of("Transfer-Encoding: chunked\r\n"), (BodyFraming{BodyKind::kChunked, 0}));
  EXPECT_EQ(body_of("transfer-encoding:CHUNKED\r\n"), (BodyFraming{BodyKind::kChunked, 0}));
}

TEST(RequestFramingTest, Rfc9112Section6_1UnknownCodingsAreNotImplemented) {
  for (const char* coding :
       {"gzip, chunked", "x-gzip,deflate, chunked", "Compress ,Chunked", "cow;a=b, chunked"}) {
    EXPECT_EQ(request_with("Host: a\r\nTransfer-Encoding: " + std::string(coding) + "\r\n"),
              Refusal::kNotImplemented)
        << coding;
  }
}

TEST(RequestFramingTest, Rfc9112Section3_2HostIsThereOnceAndIsAHost) {
  EXPECT_EQ(request_with(""), Refusal::kBadRequest);
  EXPECT_EQ(request_with("", "HTTP/1.0"), Refusal::kNone);
  EXPECT_EQ(request_with("Host: a\r\nHost: a\r\n"), Refusal::kBadRequest);
  EXPECT_EQ(request_with("Host: a\r\nhost: b\r\n", "HTTP/1.0"), Refusal::kBadRequest);
  for (const char* host :
       {"",        "a b",    "a,b",      "a/b",    "a@b",  "user:1@b", "a:b",  "a:65536",
        "a:80:80", "[::1",   "::1",      "[::1]x", "a%41", "a\tb",     "a;b",  "..",
        ".a",      "[zz::]", "http://a", "a?b",    "a#b",  "a\\b",     "a:-1", "a:+80"}) {
    EXPECT_EQ(request_with("Host: " + std::string(host) + "\r\n"), Refusal::kBadRequest) << host;
  }
  for (const char* host : {"a",
                           "a.b-c.d",
                           "A:80",
                           "127.0.0.1:65535",
                           "[::1]",
                           "[2001:db8::1]:443",
                           "xn--mller-kva.de",
                           "a_b",
                           "a."}) {
    EXPECT_EQ(request_with("Host: " + std::string(host) + "\r\n"), Refusal::kNone) << host;
  }
}

// A head is used again for the next request, and remembers the last good Host.
TEST(RequestFramingTest, AHostIsJudgedAloneWhateverCameBefore) {
  const std::string longest(255, 'a');
  const std::vector<std::string> hosts = {"a.b",
                                          "a.b",
                                          "a.B",
                                          "a b",
                                          "a.b",
                                          "a.b:80",
                                          "a.b:",
                                          "[::1]",
                                          "",
                                          longest,
                                          longest + "a",
                                          longest,
                                          "A.b",
                                          "..",
                                          "A.b"};
  RequestHead used;
  for (const std::string& host : hosts) {
    const std::string text = "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
    const auto fresh = parse_request(text);
    used.clear();
    RequestParser parser;
    EXPECT_EQ(parser.parse(text, used), fresh->state) << host;
    EXPECT_EQ(parser.refused().why, fresh->refused.why) << host;
    EXPECT_EQ(used.host_name_size, fresh->head.host_name_size) << host;
    EXPECT_EQ(used.host_lower_case, fresh->head.host_lower_case) << host;
  }
}

TEST(RequestFramingTest, Rfc9110Section10_1_1Expectations) {
  const auto expects = [](const std::string& version, const std::string& fields) {
    const auto parsed = parse_request("POST / " + version + "\r\nHost: a\r\n" + fields + "\r\n");
    EXPECT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
    return parsed->head.expect_continue;
  };
  EXPECT_TRUE(expects("HTTP/1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n"));
  EXPECT_TRUE(expects("HTTP/1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_FALSE(expects("HTTP/1.1", "Expect: 100-continue\r\n"));
  EXPECT_FALSE(expects("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n"));
  EXPECT_FALSE(expects("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n"));
  EXPECT_EQ(request_with("Host: a\r\nExpect: 200-ok\r\n"), Refusal::kExpectationFailed);
  EXPECT_EQ(request_with("Host: a\r\nExpect:\r\n"), Refusal::kExpectationFailed);
  EXPECT_EQ(request_with("Host: a\r\nExpect: 100-continue\r\nExpect: x\r\n"),
            Refusal::kExpectationFailed);
}

TEST(RequestFramingTest, Rfc9112Section9_3Persistence) {
  const auto keeps = [](const std::string& version, const std::string& fields) {
    return parse_request("GET / " + version + "\r\nHost: a\r\n" + fields + "\r\n")->head.keep_alive;
  };
  EXPECT_TRUE(keeps("HTTP/1.1", ""));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive, close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1", "Connection: x\r\nConnection: close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", ""));
  EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestFramingTest, Rfc9110Section7_8UpgradeIsAWish) {
  const auto wishes = [](const std::string& version, const std::string& fields) {
    return parse_request("GET / " + version + "\r\nHost: a\r\n" + fields + "\r\n")->head.upgrade;
  };
  EXPECT_TRUE(wishes("HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_FALSE(wishes("HTTP/1.1", "Upgrade: websocket\r\n"));
  EXPECT_FALSE(wishes("HTTP/1.1", "Connection: upgrade\r\n"));
  EXPECT_FALSE(wishes("HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
}

TEST(RequestFramingTest, ConnectionIsAShortListOfTokens) {
  EXPECT_EQ(request_with("Host: a\r\nConnection: a b\r\n"), Refusal::kBadRequest);
  EXPECT_EQ(request_with("Host: a\r\nConnection: \"close\"\r\n"), Refusal::kBadRequest);
  std::string many;
  for (unsigned i = 0; i < kConnectionOptionsMax; ++i) many += "x,";
  EXPECT_EQ(request_with("Host: a\r\nConnection: " + many + "\r\n"), Refusal::kNone);
  EXPECT_EQ(request_with("Host: a\r\nConnection: " + many + "x\r\n"), Refusal::kBadRequest);
}

TEST(RequestFramingTest, MethodsThatAProxyMustNotPassOn) {
  EXPECT_EQ(parse_request("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")->refused.why,
            Refusal::kNotImplemented);
  EXPECT_EQ(parse_request("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")->refused.why,
            Refusal::kNotImplemented);
}

TEST(RequestFramingTest, ConnectionNominatesOnlyWhatWeDoNotKnow) {
  const auto parsed = parse_request(
      "GET / HTTP/1.1\r\nHost: a\r\nCookie: c\r\nX-Mine: 1\r\nX-Other: 2\r\nX-Canaryd-New: 3\r\n"
      "Connection: host, cookie, X-MINE, authorization, x-canaryd-new\r\n\r\n");
  ASSERT_EQ(parsed->state, ParseState::kDone);
  EXPECT_TRUE(parsed->head.nominates);
  std::vector<std::string> named;
  for (const Field& field : parsed->head.fields) {
    if (is_nominated(parsed->head.fields, field)) named.emplace_back(field.name);
  }
  EXPECT_EQ(named, std::vector<std::string>{"X-Mine"});
  const NominatedNames names(parsed->head.fields);
  for (const Field& field : parsed->head.fields) {
    EXPECT_EQ(names.contain(field), field.name == "X-Mine") << field.name;
  }
  EXPECT_FALSE(parse_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, te\r\n\r\n")
                   ->head.nominates);
}

BodyFraming response_body(const std::string& text, Method method = Method::kGet) {
  const auto parsed = parse_response(text, method);
  EXPECT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
  return parsed->head.framing;
}

TEST(ResponseFramingTest, Rfc9112Section6_3Bodies) {
  const BodyFraming none{BodyKind::kNone, 0};
  EXPECT_EQ(response_body("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
            (BodyFraming{BodyKind::kLength, 4}));
  EXPECT_EQ(response_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (BodyFraming{BodyKind::kChunked, 0}));
  EXPECT_EQ(response_body("HTTP/1.1 200 OK\r\n\r\n"), (BodyFraming{BodyKind::kUntilClose, 0}));
  EXPECT_EQ(response_body("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", Method::kHead), none);
  EXPECT_EQ(response_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::kHead),
            none);
  EXPECT_EQ(response_body("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"), none);
  EXPECT_EQ(response_body("HTTP/1.1 204 No Content\r\n\r\n"), none);
  EXPECT_EQ(response_body("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), none);
  EXPECT_EQ(response_body("HTTP/1.1 100 Continue\r\n\r\n"), none);
}

TEST(ResponseFramingTest, UntilCloseEndsTheConnectionAndHeadDoesNot) {
  EXPECT_FALSE(parse_response("HTTP/1.1 200 OK\r\n\r\n")->head.keep_alive);
  const auto head = parse_response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Method::kHead);
  EXPECT_TRUE(head->head.keep_alive);
  EXPECT_EQ(head->head.content_length, 9U);
  EXPECT_FALSE(parse_response("HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n")->head.keep_alive);
  EXPECT_TRUE(parse_response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
                             "Content-Length: 9\r\n\r\n")
                  ->head.keep_alive);
}

TEST(ResponseFramingTest, RefusesWhatIsAmbiguous) {
  for (const std::string text : {
           "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
           "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n",
           "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\n",
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
       }) {
    const auto parsed = parse_response(text);
    EXPECT_EQ(parsed->state, ParseState::kError) << text;
    EXPECT_EQ(parsed->refused.why, Refusal::kUpstreamProtocol) << text;
    // HEAD does not excuse it: the fields are wrong all the same.
    EXPECT_EQ(parse_response(text, Method::kHead)->state, ParseState::kError) << text;
  }
}

}  // namespace
}  // namespace canaryd::http
