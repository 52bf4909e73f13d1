#include "canaryd/http/forwarding.hpp"

#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace canaryd::http {
namespace {

using test::parse_request;
using test::parse_response;

// Writes the head that goes upstream; `change` adjusts what the proxy knows.
template <class Change>
std::string forward_request(const std::string& text, Change&& change) {
  const auto parsed = parse_request(text);
  EXPECT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
  RequestForwarding forwarding;
  forwarding.target = parsed->head.target;
  forwarding.authority = parsed->head.host;
  forwarding.client_ip = "192.0.2.1";

  forwarding.request_id = "fresh";
  change(forwarding);
  std::array<char, 4096> storage{};
  HeadBuffer out(storage);
  write_request_head(out, parsed->head, forwarding);
  EXPECT_FALSE(out.overflowed());
  // Whatever we write, we would accept ourselves.
  const auto again = parse_request(out.view());
  EXPECT_EQ(again->state, ParseState::kDone) << out.view();
  EXPECT_EQ(again->head.framing, parsed->head.framing) << out.view();
  return std::string(out.view());
}

std::string forward_request(const std::string& text) {
  return forward_request(text, [](RequestForwarding&) {});
}

const std::string kAdded =
    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n"
    "Via: 1.1 canaryd\r\nX-Request-Id: fresh\r\n\r\n";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(RequestForwardingTest, KeepsOrderCaseAndDuplicates) {
  EXPECT_EQ(forward_request("GET /x HTTP/1.1\r\nACCEPT:  b \r\nHost: a\r\naccept: c\r\nX:\r\n\r\n"),
            "GET /x HTTP/1.1\r\nACCEPT:  b \r\nHost: a\r\naccept: c\r\nX:\r\n" + kAdded);
}

TEST(RequestForwardingTest, Rfc9110Section7_6_1RemovesHopByHopFields) {
  EXPECT_EQ(forward_request("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nConnection: keep-alive, X-Hop\r\n"
                            "Keep-Alive: timeout=5\r\nB: 2\r\nProxy-Connection: x\r\nX-Hop: 1\r\n"
                            "Proxy-Authorization: p\r\nUpgrade: h2c\r\nHTTP2-Settings: s\r\n"
                            "TE: gzip\r\nTrailer: T\r\nx-hop: 2\r\nC: 3\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n" + kAdded);
}

TEST(RequestForwardingTest, ConnectionCannotStripWhatMatters) {
  const std::string out = forward_request(
      "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nCookie: c\r\nContent-Length: 1\r\n"
      "X-Request-Id: mine\r\nVia: 1.1 before\r\n"
      "Connection: host, authorization, cookie, content-length, x-forwarded-for, via, "
      "x-request-id, "
      "x-canaryd-cohort, close\r\n\r\n",
      [](RequestForwarding& forwarding) { forwarding.cohort = Cohort::kStable; });
  for (const char* kept : {"Host: a\r\n",
                           "Authorization: b\r\n",
                           "Cookie: c\r\n",
                           "Content-Length: 1\r\n",
                           "X-Request-Id: mine\r\n",
                           "Via: 1.1 before\r\n",
                           "X-Forwarded-For: 192.0.2.1\r\n",
                           "X-Canaryd-Cohort: stable\r\n"}) {
    EXPECT_TRUE(has(out, kept)) << kept;
  }
  EXPECT_FALSE(has(out, "Connection"));
}

TEST(RequestForwardingTest, ConnectionCannotStripWhatDecidedTheRoute) {
  const std::vector<std::string> read{"X-User-Id", "x-tenant"};
  EXPECT_EQ(
      forward_request("GET / HTTP/1.1\r\nHost: a\r\nx-user-id: tom\r\nX-Hop: 1\r\nX-Tenant: t\r\n"
                      "Connection: X-User-Id, X-Tenant, X-Hop\r\n\r\n",
                      [&](RequestForwarding& forwarding) { forwarding.read = &read; }),
      "GET / HTTP/1.1\r\nHost: a\r\nx-user-id: tom\r\nX-Tenant: t\r\n" + kAdded);
}

TEST(RequestForwardingTest, BelievesNoneOfAFamilyOrAll) {
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Port: 1\r\nx-forwarded-PREFIX: /x\r\nB: 2\r\n"
      "Connection: x-forwarded-port\r\n\r\n";
  EXPECT_EQ(forward_request(text), "GET / HTTP/1.1\r\nHost: a\r\nB: 2\r\n" + kAdded);
  const std::string trusted =
      forward_request(text, [](RequestForwarding& forwarding) { forwarding.peer_trusted = true; });
  EXPECT_TRUE(has(trusted, "X-Forwarded-Port: 1\r\nx-forwarded-PREFIX: /x\r\nB: 2\r\n"));
  for (const std::string twin : {"X_Forwarded_Port", "x-forwarded_client_certificate_chain"}) {
    EXPECT_FALSE(
        has(forward_request("GET / HTTP/1.1\r\nHost: a\r\n" + twin + ": 1\r\n\r\n"), twin));
  }
}

TEST(RequestForwardingTest, AConnectionThatNamesFieldsLetsNoTrailersThrough) {
  const auto named = parse_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\n\r\n");
  EXPECT_EQ(upload_output(named->head), BodyOutput::kNoTrailers);
  const auto plain = parse_request("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(upload_output(plain->head), BodyOutput::kAsIs);
  const auto response =
      parse_response("HTTP/1.1 200 OK\r\nConnection: X\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(plan_response(response->head, 1, true).output, BodyOutput::kNoTrailers);
}

TEST(RequestForwardingTest, FramingIsWrittenOnce) {
  EXPECT_EQ(forward_request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nA: 1\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: a\r\nA: 1\r\nContent-Length: 7\r\n" + kAdded);
  EXPECT_EQ(forward_request("POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nHost: a\r\n"
                            "Trailer: T\r\n\r\n"),
            "POST / HTTP/1.1\r\nHost: a\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\n" + kAdded);
  EXPECT_TRUE(has(forward_request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
                  "Content-Length: 0\r\n"));
}

TEST(RequestForwardingTest, CanonicalTargetAndAuthorityReplaceTheOldOnes) {
  const std::string out = forward_request("GET http://b:80/x HTTP/1.1\r\nA: 1\r\nHost: B\r\n\r\n",
                                          [](RequestForwarding& forwarding) {
                                            forwarding.target = "/x";
                                            forwarding.authority = "b:80";
                                          });
  EXPECT_TRUE(has(out, "GET /x HTTP/1.1\r\nHost: b:80\r\nA: 1\r\n"));
  EXPECT_FALSE(has(out, "Host: B"));
  EXPECT_TRUE(has(out, "X-Forwarded-Host: b:80\r\n"));
}

TEST(RequestForwardingTest, Http10BecomesHttp11) {
  const std::string out =
      forward_request("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
                      [](RequestForwarding& forwarding) { forwarding.authority = "fallback"; });
  EXPECT_EQ(out.rfind("GET / HTTP/1.1\r\nHost: fallback\r\n", 0), 0U);
  EXPECT_TRUE(has(out, "Via: 1.0 canaryd\r\n"));
  EXPECT_FALSE(has(out, "Expect"));
}

TEST(RequestForwardingTest, UntrustedPeersDoNotSayWhoTheyAre) {
  const std::string out = forward_request(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n"
      "X-Forwarded-Host: evil\r\nForwarded: for=10.0.0.1\r\nX_Forwarded_For: 10.0.0.1\r\n\r\n");
  EXPECT_EQ(out, "GET / HTTP/1.1\r\nHost: a\r\n" + kAdded);
}

TEST(RequestForwardingTest, TrustedPeersAreContinued) {
  const std::string out = forward_request(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nX-Forwarded-For: "
      "10.0.0.3"
      "\r\nX-Forwarded-Proto: https\r\nForwarded: for=10.0.0.1\r\n\r\n",
      [](RequestForwarding& forwarding) { forwarding.peer_trusted = true; });
  EXPECT_TRUE(has(out, "X-Forwarded-For: 10.0.0.1, 10.0.0.2, 10.0.0.3, 192.0.2.1\r\n"));
  EXPECT_TRUE(has(out, "X-Forwarded-Proto: https\r\n"));
  EXPECT_FALSE(has(out, "X-Forwarded-Proto: http\r\n"));
  EXPECT_TRUE(has(out, "X-Forwarded-Host: a\r\n"));
  EXPECT_TRUE(has(out, "Forwarded: for=10.0.0.1\r\n"));
}

TEST(RequestForwardingTest, CohortIsOursAlone) {
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Canaryd-Cohort: canary\r\nx-canaryd-rollout: r\r\n"
      "X_Canaryd_Cohort: canary\r\nX-Canaryd_Rollout: r\r\n\r\n";
  EXPECT_EQ(forward_request(text), "GET / HTTP/1.1\r\nHost: a\r\n" + kAdded);
  const std::string out = forward_request(text, [](RequestForwarding& forwarding) {
    forwarding.cohort = Cohort::kStable;
    forwarding.rollout = "checkout";
  });
  EXPECT_TRUE(has(out, "\r\nX-Canaryd-Cohort: stable\r\nX-Canaryd-Rollout: checkout\r\n"));
  EXPECT_FALSE(has(out, "canary\r\n"));
}

TEST(RequestForwardingTest, RequestIdIsKeptIfSane) {
  const auto out = [](const std::string& fields) {
    return forward_request("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
  };
  EXPECT_TRUE(has(out("X-Request-Id: Ab-1_2.3\r\n"), "X-Request-Id: Ab-1_2.3\r\n"));
  EXPECT_FALSE(has(out("X-Request-Id: Ab-1_2.3\r\n"), "fresh"));
  for (const std::string& odd : {std::string("a b"),
                                 std::string(),
                                 std::string(129, 'a'),
                                 std::string("<script>"),
                                 std::string("a\xc3\xa4"),
                                 std::string("x\r\nX-Request-Id: y")}) {
    const std::string text = out("X-Request-Id: " + odd + "\r\n");
    EXPECT_TRUE(has(text, "X-Request-Id: fresh\r\n")) << odd;
    EXPECT_EQ(text.find("X-Request-Id"), text.rfind("X-Request-Id")) << odd;
  }
  const auto parsed = parse_request("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: b\r\n\r\n");
  EXPECT_EQ(request_id(parsed->head, "fresh"), "b");
  EXPECT_EQ(request_id(parse_request("GET / HTTP/1.0\r\n\r\n")->head, "fresh"), "fresh");
}

TEST(RequestForwardingTest, TraceTrailersAndExpectation) {
  const auto trace = [](RequestForwarding& forwarding) { forwarding.traceparent = "00-new"; };
  EXPECT_TRUE(
      has(forward_request("GET / HTTP/1.1\r\nHost: a\r\n\r\n", trace), "traceparent: 00-new\r\n"));
  const std::string old =
      "GET / HTTP/1.1\r\nHost: a\r\nTraceparent: 00-old\r\nTracestate: a=1\r\n\r\n";
  EXPECT_TRUE(has(forward_request(old), "Traceparent: 00-old\r\nTracestate: a=1\r\n"));
  const std::string anew = forward_request(old, trace);
  EXPECT_TRUE(has(anew, "traceparent: 00-new\r\n"));
  EXPECT_FALSE(has(anew, "00-old"));
  EXPECT_FALSE(has(anew, "a=1"));
  EXPECT_TRUE(has(forward_request("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=1, Trailers\r\n\r\n"),
                  "TE: trailers\r\nConnection: TE\r\n\r\n"));
  EXPECT_TRUE(has(forward_request("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                                  "Content-Length: 1\r\n\r\n"),
                  "Expect: 100-continue\r\n"));
}

TEST(RequestForwardingTest, Rfc9110Section7_6_2MaxForwards) {
  const std::string head = "OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: ";
  EXPECT_TRUE(has(forward_request(head + "3\r\n\r\n"), "Max-Forwards: 2\r\n"));
  EXPECT_FALSE(ends_here(parse_request(head + "1\r\n\r\n")->head));
  EXPECT_TRUE(ends_here(parse_request(head + "0\r\n\r\n")->head));
  EXPECT_FALSE(has(forward_request(head + "x\r\n\r\n"), "Max-Forwards"));
  EXPECT_TRUE(has(forward_request("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
                  "Max-Forwards: 0\r\n"));
}

TEST(RequestForwardingTest, FieldsWithoutLinesAreWritten) {
  RequestHead head;
  head.method_text = "GET";
  head.fields.add("a", "1");
  head.fields.add("b", "2");
  RequestForwarding forwarding;
  forwarding.target = "/";
  forwarding.authority = "h";
  forwarding.secure = true;
  std::array<char, 512> storage{};
  HeadBuffer out(storage);
  write_request_head(out, head, forwarding);
  EXPECT_EQ(out.view(),
            "GET / HTTP/1.1\r\nHost: h\r\na: 1\r\nb: 2\r\nX-Forwarded-Proto: https\r\n"
            "X-Forwarded-Host: h\r\nVia: 1.1 canaryd\r\n\r\n");
  for (std::size_t size = 0; size < out.size(); ++size) {
    HeadBuffer small(std::span<char>(storage.data(), size));
    write_request_head(small, head, forwarding);
    EXPECT_TRUE(small.overflowed()) << size;
  }
}

template <class Change>
std::string forward_response(const std::string& text, Method method, Change&& change) {
  const auto parsed = parse_response(text, method);
  EXPECT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
  ResponseForwarding forwarding;
  forwarding.request_method = method;
  change(forwarding);
  forwarding.plan = plan_response(parsed->head, forwarding.client_version_minor, true);
  std::array<char, 4096> storage{};
  HeadBuffer out(storage);
  write_response_head(out, parsed->head, forwarding);
  EXPECT_FALSE(out.overflowed());
  const auto again = parse_response(out.view(), method);
  EXPECT_EQ(again->state, ParseState::kDone) << out.view();
  EXPECT_EQ(again->head.framing, forwarding.plan.framing) << out.view();
  return std::string(out.view());
}

std::string forward_response(const std::string& text, Method method = Method::kGet) {
  return forward_response(text, method, [](ResponseForwarding&) {});
}

std::string forward_to_http10(const std::string& text) {
  return forward_response(text, Method::kGet, [](ResponseForwarding& forwarding) {
    forwarding.client_version_minor = 0;
  });
}

TEST(ResponseForwardingTest, RemovesHopByHopFieldsAndAddsVia) {
  EXPECT_EQ(forward_response("HTTP/1.0 200 Fine\r\nServer: x\r\nConnection: keep-alive, X-Hop\r\n"
                             "Keep-Alive: timeout=5\r\nX-Hop: 1\r\nUpgrade: h2c\r\nDate: d\r\n"
                             "Content-Length: 3\r\nX-Canaryd-Cohort: canary\r\n"
                             "Proxy-Authenticate: p\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n"),
            "HTTP/1.1 200 Fine\r\nServer: x\r\nDate: d\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
            "Content-Length: 3\r\nVia: 1.0 canaryd\r\n\r\n");
}

// The name is the connection option's: "Connection: close", which we write, would name the field.
TEST(ResponseForwardingTest, Rfc9112Section9_6DropsTheReservedFieldClose) {
  EXPECT_EQ(forward_to_http10("HTTP/1.1 200 OK\r\nclose: x\r\nA: 1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nA: 1\r\nVia: 1.1 canaryd\r\nConnection: close\r\n\r\n");
}

TEST(ResponseForwardingTest, BodiesForEachClient) {
  const std::string until_close = "HTTP/1.1 200 OK\r\n\r\n";
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n";
  const std::string length = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
  const std::string via = "Via: 1.1 canaryd\r\n";
  EXPECT_EQ(forward_response(until_close),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + via + "\r\n");
  EXPECT_EQ(forward_response(chunked),
            "HTTP/1.1 200 OK\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\n" + via + "\r\n");
  EXPECT_EQ(forward_to_http10(until_close),
            "HTTP/1.1 200 OK\r\n" + via + "Connection: close\r\n\r\n");
  EXPECT_EQ(forward_to_http10(chunked), "HTTP/1.1 200 OK\r\n" + via + "Connection: close\r\n\r\n");
  EXPECT_EQ(forward_to_http10(length),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + via + "Connection: keep-alive\r\n\r\n");
}

TEST(ResponseForwardingTest, PlansFollowTheClient) {
  const auto parsed = parse_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(plan_response(parsed->head, 1, true).output, BodyOutput::kAsIs);
  EXPECT_TRUE(plan_response(parsed->head, 1, true).keep_alive);
  EXPECT_FALSE(plan_response(parsed->head, 1, false).keep_alive);
  EXPECT_EQ(plan_response(parsed->head, 0, true).output, BodyOutput::kData);
  EXPECT_FALSE(plan_response(parsed->head, 0, true).keep_alive);
  const auto open = parse_response("HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(plan_response(open->head, 1, true).output, BodyOutput::kChunked);
  EXPECT_TRUE(plan_response(open->head, 1, true).keep_alive);
}

TEST(ResponseForwardingTest, Rfc9110Section8_6LengthWithoutBody) {
  const std::string via = "Via: 1.1 canaryd\r\n\r\n";
  EXPECT_EQ(forward_response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Method::kHead),
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n" + via);
  EXPECT_EQ(forward_response("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n"),
            "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n" + via);
  EXPECT_EQ(forward_response("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", Method::kHead),
            "HTTP/1.1 204 No\r\n" + via);
  EXPECT_EQ(
      forward_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::kHead),
      "HTTP/1.1 200 OK\r\n" + via);
}

TEST(ResponseForwardingTest, AddsCohortDateAndCookie) {
  SetCookie cookie;
  cookie.name = "id";
  cookie.value = "x";
  const auto change = [&cookie](ResponseForwarding& forwarding) {
    forwarding.cohort = Cohort::kCanary;
    forwarding.date = "now";
    forwarding.cookie = &cookie;
  };
  EXPECT_EQ(forward_response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Method::kGet, change),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVia: 1.1 canaryd\r\nDate: now\r\n"
            "X-Canaryd-Cohort: canary\r\nSet-Cookie: id=x; Path=/; SameSite=Lax; HttpOnly\r\n\r\n");
  const std::string cached = forward_response(
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: public\r\nDate: then\r\n\r\n",
      Method::kGet,
      change);
  EXPECT_FALSE(has(cached, "Set-Cookie"));
  EXPECT_FALSE(has(cached, "now"));
}

TEST(ViaTest, Rfc9110Section7_6_3CountsThePassesOfOneName) {
  const auto passes = [](const std::string& fields) {
    const auto parsed = parse_request("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
    return count_passes(parsed->head, "canaryd");
  };
  EXPECT_EQ(passes(""), 0U);
  EXPECT_EQ(passes("Via: 1.1 canaryd\r\n"), 1U);
  EXPECT_EQ(passes("Via: 1.0 fred, 1.1 canaryd,HTTP/1.1\tcanaryd (x)\r\nVia: 1.1 canaryd\r\n"), 3U);
  EXPECT_EQ(passes("Via: 1.1 canaryd2, 1.1 canaryd:80, canaryd, , 1.1\r\n"), 0U);
}

TEST(ResponseForwardingTest, Rfc9110Section15_2InterimHeads) {
  const auto parsed =
      parse_response("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n");
  std::array<char, 256> storage{};
  HeadBuffer out(storage);
  write_interim_head(out, parsed->head);
  EXPECT_EQ(out.view(), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 canaryd\r\n\r\n");
}

}  // namespace
}  // namespace canaryd::http
