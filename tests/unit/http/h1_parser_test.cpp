#include "canaryd/http/h1_parser.hpp"

#include "canaryd/http/chars.hpp"
#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace canaryd::http {
namespace {

using test::outcome_in_pieces;
using test::parse_request;
using test::parse_response;
using test::response_outcome_in_pieces;

std::string with(std::string_view lines) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}

TEST(RequestParserTest, ReadsARealisticHead) {
  const auto parsed = parse_request(
      "POST /a/b?c=d HTTP/1.1\r\nHost: Example.com:8080\r\nUser-Agent:x y\r\n"
      "Accept: \t */* \t\r\nX-Empty:\r\ncontent-length: 5\r\nX-Utf: \xc3\xa4\r\n\r\nhello");
  ASSERT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
  const RequestHead& head = parsed->head;
  EXPECT_EQ(head.method, Method::kPost);
  EXPECT_EQ(head.target, "/a/b?c=d");
  EXPECT_EQ(head.host, "Example.com:8080");
  EXPECT_EQ(head.size, parsed->text.size() - 5);
  EXPECT_EQ(head.framing, (BodyFraming{BodyKind::kLength, 5}));
  EXPECT_TRUE(head.keep_alive);
  ASSERT_EQ(head.fields.size(), 6U);
  EXPECT_EQ(head.fields[1].value, "x y");
  EXPECT_EQ(head.fields[2].value, "*/*");
  EXPECT_EQ(head.fields[3].value, "");
  EXPECT_EQ(head.fields[4].name, "content-length");
  EXPECT_EQ(head.fields[5].value, "\xc3\xa4");
  // Each field knows its whole line, and the lines follow each other.
  for (std::size_t i = 0; i + 1 < head.fields.size(); ++i) {
    EXPECT_EQ(head.fields[i].name.data() + head.fields[i].line_size,
              head.fields[i + 1].name.data());
  }
}

TEST(RequestParserTest, Rfc9112Section2_2EmptyLinesBeforeTheRequest) {
  EXPECT_EQ(parse_request("\r\n\r\n" + with(""))->state, ParseState::kDone);
  EXPECT_EQ(parse_request("\r\n\r\n\r\n" + with(""))->refused.why, Refusal::kBadRequest);
  EXPECT_EQ(parse_request("\n" + with(""))->refused.why, Refusal::kBadRequest);
}

TEST(RequestParserTest, StopsAtTheEndOfTheHead) {
  const std::string first = with("X: 1\r\n");
  const auto parsed = parse_request(first + "GET /second HTTP/1.1\r\n");
  ASSERT_EQ(parsed->state, ParseState::kDone);
  EXPECT_EQ(parsed->head.size, first.size());
}

TEST(RequestParserTest, RefusesWhatIsNotTheGrammar) {
  const std::vector<std::string> wrong = {
      // RFC 9112 section 2.2: line ends.
      "GET / HTTP/1.1\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\n",
      "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
      "GET / HTTP/1.1\rHost: a\r\n\r\n",
      // RFC 9112 section 3: request line.
      " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
      "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / a HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /\r\nHost: a\r\n\r\n",
      "GET / \r\nHost: a\r\n\r\n",
      "GET / http/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
      "GET / HTTP/01.1\r\nHost: a\r\n\r\n",
      "GET / HTTPS/1.1\r\nHost: a\r\n\r\n",
      "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
      "G\xc3\xa4T / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
      std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 29),
      // RFC 9112 section 5: field lines.
      with("X : 1\r\n"),
      with("X\t: 1\r\n"),
      with(": 1\r\n"),
      with("X\r\n"),
      with("X(Y): 1\r\n"),
      with("X\xc3\xa4: 1\r\n"),
      with("X: a\x01\r\n"),
      with("X: a\x7f\r\n"),
      with(std::string("X: a\0b\r\n", 8)),
      // Sections 2.2 and 5.2: whitespace before the first field, folding.
      "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
      "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
      with("X: a\r\n b\r\n"),
      with("X: a\r\n\tb\r\n"),
      // TLS on a plain port.
      "\x16\x03\x01\x02",
  };
  for (const std::string& text : wrong) {
    const auto parsed = parse_request(text);
    EXPECT_EQ(parsed->outcome().substr(0, 19), "refused bad_request") << text;
  }
}

TEST(RequestParserTest, SaysWhichVersionItDoesNotKnow) {
  for (const char* version : {"HTTP/0.9", "HTTP/2.0", "HTTP/3.0"}) {
    const auto parsed = parse_request("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n");
    EXPECT_EQ(parsed->refused.why, Refusal::kVersionNotSupported) << version;
  }
  EXPECT_EQ(parse_request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")->refused.why,
            Refusal::kVersionNotSupported);
}

// RFC 9110 section 2.5.
TEST(RequestParserTest, TakesAHigherMinorVersionForTheHighestItKnows) {
  for (const char* version : {"HTTP/1.2", "HTTP/1.9"}) {
    const auto parsed = parse_request("GET / " + std::string(version) + "\r\nHost: a\r\n\r\n");
    EXPECT_EQ(parsed->state, ParseState::kDone) << version;
    EXPECT_EQ(parsed->head.version_minor, 1) << version;
  }
}

// RFC 9112 section 3.
TEST(RequestParserTest, AMethodTooLongToBeOneIsNotImplemented) {
  const auto parsed = parse_request(std::string(kMethodBytesMax + 1, 'M'));
  EXPECT_EQ(parsed->refused.why, Refusal::kNotImplemented);
}

TEST(RequestParserTest, EveryControlCharacterIsFoundAtEveryOffset) {
  // The vector scan and its tail must agree.
  for (std::size_t size = 1; size < 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string value(size, 'v');
        value[at] = static_cast<char>(c);
        const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        const auto state = parse_request(with("X: a" + value + "b\r\n"))->state;
        ASSERT_EQ(state, control ? ParseState::kError : ParseState::kDone) << size << " " << c;
      }
    }
  }
}

TEST(RequestParserTest, EveryByteOfANameIsLookedAt) {
  for (std::size_t at = 0; at < 36; ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string name(36, 'n');
      name[at] = static_cast<char>(c);
      const bool good = is_token_char(static_cast<char>(c)) || (c == ':' && at > 0);
      const auto state = parse_request(with(name + ": v\r\n"))->state;
      ASSERT_EQ(state, good ? ParseState::kDone : ParseState::kError) << at << " " << c;
    }
  }
}

TEST(RequestParserTest, TabsAreNoControlCharactersAtAnyOffset) {
  for (std::size_t before = 0; before < 40; ++before) {
    const std::string value =
        "x" + std::string(before, 'v') + "\t\tw" + std::string(20, '\t') + "y";
    const auto parsed = parse_request(with("X-Long: \t" + value + "\t \r\nA: b\r\n"));
    ASSERT_EQ(parsed->state, ParseState::kDone) << before << parsed->outcome();
    EXPECT_EQ(parsed->head.fields[1].value, value);
    EXPECT_EQ(parsed->head.fields[2].value, "b");
    EXPECT_EQ(parse_request(with("X-Long: " + value + "\x01\r\n"))->state, ParseState::kError);
  }
}

TEST(RequestParserTest, KeepsEveryFieldOfALongList) {
  std::string lines;
  for (int i = 0; i < 100; ++i)
    lines += "X-" + std::to_string(i) + ": " + std::to_string(i) + "\r\n";
  const auto parsed = parse_request(with(lines + "Cookie: a\r\nX.odd: 1\r\ncookie: b\r\n"));
  ASSERT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
  const FieldList& fields = parsed->head.fields;
  ASSERT_EQ(fields.size(), 104U);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(fields[i + 1].value, std::to_string(i));
  EXPECT_EQ(fields.count(FieldId::kCookie), 2U);
  EXPECT_EQ(fields.value(FieldId::kCookie), "a");
  EXPECT_TRUE(fields.may_have_odd_names());
}

TEST(RequestParserTest, EveryByteOfATargetIsLookedAt) {
  for (std::size_t at = 0; at < 36; ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string target(36, 't');
      target[at] = static_cast<char>(c);
      const auto state = parse_request("GET /" + target + " HTTP/1.1\r\nHost: a\r\n\r\n")->state;
      ASSERT_EQ(state, c > 0x20 && c < 0x7f ? ParseState::kDone : ParseState::kError) << c;
    }
  }
}

TEST(RequestParserTest, KeepsToItsLimits) {
  HeadLimits limits;
  limits.head_bytes = 200;
  limits.field_count = 3;
  limits.target_bytes = 20;
  const auto why = [&](const std::string& text) {
    return parse_request(text, limits)->refused.why;
  };
  EXPECT_EQ(why(with("A: 1\r\nB: 2\r\n")), Refusal::kNone);
  EXPECT_EQ(why(with("A: 1\r\nB: 2\r\nC: 3\r\n")), Refusal::kHeadersTooLarge);
  EXPECT_EQ(why("GET /" + std::string(19, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"), Refusal::kNone);
  EXPECT_EQ(why("GET /" + std::string(20, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"),
            Refusal::kTargetTooLong);
  EXPECT_EQ(why("GET /" + std::string(50, 'x')), Refusal::kTargetTooLong);

  const std::string empty = with("X: \r\n");
  const std::string fits = with("X: " + std::string(200 - empty.size(), 'v') + "\r\n");
  ASSERT_EQ(fits.size(), 200U);
  EXPECT_EQ(parse_request(fits, limits)->state, ParseState::kDone);
  const std::string above = with("X: " + std::string(201 - empty.size(), 'v') + "\r\n");
  EXPECT_EQ(why(above), Refusal::kHeadersTooLarge);
  EXPECT_EQ(why(std::string(200, 'A')), Refusal::kNotImplemented);
}

// Whatever comes, it comes to the same in any pieces, wherever the buffer lies.
TEST(RequestParserTest, PiecesMakeNoDifference) {
  HeadLimits tight;
  tight.head_bytes = 90;
  tight.field_count = 4;
  tight.target_bytes = 12;
  const std::vector<std::string> texts = {
      with(""),
      with("X: 1\r\nContent-Length: 3\r\n") + "abc",
      "\r\n" + with("Connection: close, x-a\r\nX-A: 1\r\n"),
      "\r\n\r\n\r\n" + with(""),
      "OPTIONS * HTTP/1.0\r\n\r\n",
      with("X : 1\r\n"),
      with("X: a\x01 b\r\n"),
      with("X: a\r\n b\r\n"),
      "GET / HTTP/1.1\r\nHost: a\rb",
      "GET /a b HTTP/1.1\r\n",
      "GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET /" + std::string(300, 'a'),
      std::string(300, 'A'),
      with("X: " + std::string(300, 'v') + "\r\n"),
      with("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"),
      "GET / HTTP/2.0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
  };
  for (const HeadLimits& limits : {HeadLimits{}, tight}) {
    for (const std::string& text : texts) {
      const std::string whole = parse_request(text, limits)->outcome();
      for (const std::size_t stride : {1U, 2U, 3U, 7U, 16U, 31U}) {
        EXPECT_EQ(outcome_in_pieces(text, stride, limits), whole) << text << "\nby " << stride;
      }
    }
  }
}

TEST(RequestParserTest, IsUsedAgainAfterReset) {
  RequestParser parser;
  RequestHead head;
  const std::string first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
  const std::string wrong = "\x16\x03";
  const std::string second = "GET /b HTTP/1.0\r\n\r\n";
  ASSERT_EQ(parser.parse(first, head), ParseState::kDone);
  parser.reset();
  ASSERT_EQ(parser.parse(wrong, head), ParseState::kError);
  EXPECT_EQ(parser.parse(second, head), ParseState::kError);
  parser.reset();
  ASSERT_EQ(parser.parse(second, head), ParseState::kDone);
  EXPECT_EQ(test::describe(head), parse_request(second)->outcome());
}

TEST(RequestParserTest, ByteByByteIsLinear) {
  // A 60 KiB line in single bytes: 2 * 10^9 steps if each call began anew, which the test's time
  // limit would show.
  const std::string text = with("X: " + std::string(60000, 'v') + "\r\n");
  RequestParser parser;
  RequestHead head;
  ParseState state = ParseState::kNeedMore;
  for (std::size_t size = 1; size <= text.size(); ++size) {
    state = parser.parse(std::string_view(text).substr(0, size), head);
    ASSERT_NE(state, ParseState::kError);
  }
  EXPECT_EQ(state, ParseState::kDone);
}

TEST(ResponseParserTest, ReadsARealisticHead) {
  const auto parsed = parse_response(
      "HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 12\r\nConnection: close\r\n\r\n");
  ASSERT_EQ(parsed->state, ParseState::kDone) << parsed->outcome();
  EXPECT_EQ(parsed->head.status, 404);
  EXPECT_EQ(parsed->head.reason, "Not Found");
  EXPECT_EQ(parsed->head.framing, (BodyFraming{BodyKind::kLength, 12}));
  EXPECT_FALSE(parsed->head.keep_alive);
  EXPECT_EQ(parsed->head.size, parsed->text.size());
}

TEST(ResponseParserTest, TakesAnEmptyReasonWithAndWithoutItsSpace) {
  for (const char* line : {"HTTP/1.1 200 \r\n", "HTTP/1.1 200\r\n"}) {
    const auto parsed = parse_response(std::string(line) + "Content-Length: 0\r\n\r\n");
    ASSERT_EQ(parsed->state, ParseState::kDone) << line;
    EXPECT_EQ(parsed->head.reason, "");
  }
}

TEST(ResponseParserTest, RefusesWhatIsNotTheGrammar) {
  const std::vector<std::string> wrong = {
      "\r\nHTTP/1.1 200 OK\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1 099 OK\r\n\r\n",
      "HTTP/1.1 600 OK\r\n\r\n",
      "HTTP/1.1 2x0 OK\r\n\r\n",
      "HTTP/1.1 -20 OK\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\n\r\n",
      "HTTP/1.1 200 O\x01K\r\n\r\n",
      "http/1.1 200 OK\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\n X: a\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: a\r\n\r\n",
      "HTTP/1.1\r\n200 OK\r\n\r\n",
  };
  for (const std::string& text : wrong) {
    EXPECT_EQ(parse_response(text)->refused.why, Refusal::kUpstreamProtocol) << text;
    EXPECT_EQ(response_outcome_in_pieces(text, 1), parse_response(text)->outcome()) << text;
  }
}

TEST(ResponseParserTest, PiecesMakeNoDifference) {
  const std::vector<std::string> texts = {
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nabc",
      "HTTP/1.0 200\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nX: y",
  };
  for (const std::string& text : texts) {
    for (const std::size_t stride : {1U, 2U, 5U, 16U}) {
      EXPECT_EQ(response_outcome_in_pieces(text, stride), parse_response(text)->outcome()) << text;
    }
  }
}

}  // namespace
}  // namespace canaryd::http
