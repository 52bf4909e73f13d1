// Requests that a proxy and a server could read differently (request smuggling): none of them may
// pass.
//
// Each is sent as a whole and byte by byte, followed by a request that a smuggler would like to be
// answered. The first message of each pair must end in an error: in the head, in the target, or in
// the body, before it is complete.
#include "canaryd/http/uri.hpp"
#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace canaryd::http {
namespace {

struct Attempt {
  const char* name;
  std::string bytes;
};

std::string post(const std::string& fields, const std::string& body = {}) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

const std::string kZero = "0\r\n\r\n";

std::vector<Attempt> length_attempts() {
  return {
      {"CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", kZero + "G")},
      {"TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "5c\r\n")},
      {"CL.TE with zero", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", kZero)},
      {"CL.CL", post("Content-Length: 8\r\nContent-Length: 7\r\n", "12345678")},
      {"CL.CL equal", post("Content-Length: 8\r\nContent-Length: 8\r\n", "12345678")},
      {"CL list", post("Content-Length: 8, 8\r\n", "12345678")},
      {"CL list of two", post("Content-Length: 8,7\r\n", "12345678")},
      {"CL plus", post("Content-Length: +8\r\n", "12345678")},
      {"CL minus", post("Content-Length: -8\r\n", "12345678")},
      {"CL minus zero", post("Content-Length: -0\r\n")},
      {"CL hex", post("Content-Length: 0x8\r\n", "12345678")},
      {"CL octal mark", post("Content-Length: 0o10\r\n", "12345678")},
      {"CL exponent", post("Content-Length: 1e1\r\n", "1234567890")},
      {"CL point", post("Content-Length: 8.0\r\n", "12345678")},
      {"CL underscore", post("Content-Length: 1_0\r\n", "1234567890")},
      {"CL inner space", post("Content-Length: 1 0\r\n", "1234567890")},
      {"CL empty", post("Content-Length:\r\n")},
      {"CL words", post("Content-Length: eight\r\n")},
      {"CL quoted", post("Content-Length: \"8\"\r\n", "12345678")},
      {"CL 2^64", post("Content-Length: 18446744073709551616\r\n")},
      {"CL 2^64 + 8", post("Content-Length: 18446744073709551624\r\n", "12345678")},
      {"CL huge", post("Content-Length: 99999999999999999999999999\r\n")},
      {"CL with parameter", post("Content-Length: 8;x\r\n", "12345678")},
      {"CL space before colon", post("Content-Length : 8\r\n", "12345678")},
      {"CL folded", post("Content-Length:\r\n 8\r\n", "12345678")},
      {"CL NUL", post(std::string("Content-Length: 8\0\r\n", 20), "12345678")},
      {"CL full-width digit", post("Content-Length: \xef\xbc\x98\r\n")},
  };
}

std::vector<Attempt> coding_attempts() {
  return {
      {"TE.TE", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", kZero)},
      {"TE.TE equal", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", kZero)},
      {"TE list twice", post("Transfer-Encoding: chunked, chunked\r\n", kZero)},
      {"TE chunked first", post("Transfer-Encoding: chunked, identity\r\n", kZero)},
      {"TE gzip last", post("Transfer-Encoding: chunked, gzip\r\n", kZero)},
      {"TE gzip first", post("Transfer-Encoding: gzip, chunked\r\n", kZero)},
      {"TE identity", post("Transfer-Encoding: identity\r\nContent-Length: 1\r\n", "x")},
      {"TE identity alone", post("Transfer-Encoding: identity\r\n")},
      {"TE xchunked", post("Transfer-Encoding: xchunked\r\n", kZero)},
      {"TE chunkedx", post("Transfer-Encoding: chunkedx\r\n", kZero)},
      {"TE quoted", post("Transfer-Encoding: \"chunked\"\r\n", kZero)},
      {"TE parameter", post("Transfer-Encoding: chunked;q=1\r\n", kZero)},
      {"TE comma", post("Transfer-Encoding: ,chunked\r\n", kZero)},
      {"TE trailing comma", post("Transfer-Encoding: chunked,\r\n", kZero)},
      {"TE empty", post("Transfer-Encoding:\r\n", kZero)},
      {"TE space before colon", post("Transfer-Encoding : chunked\r\n", kZero)},
      {"TE tab before colon", post("Transfer-Encoding\t: chunked\r\n", kZero)},
      {"TE vertical tab",
       post("Transfer-Encoding:\x0b"
            "chunked\r\n",
            kZero)},
      {"TE form feed",
       post("Transfer-Encoding:\x0c"
            "chunked\r\n",
            kZero)},
      {"TE NUL", post(std::string("Transfer-Encoding: chunked\0\r\n", 29), kZero)},
      {"TE leading space in name", post(" Transfer-Encoding: chunked\r\n", kZero)},
      {"TE behind bare LF", post("X: x\nTransfer-Encoding: chunked\r\n", kZero)},
      {"TE behind bare CR", post("X: x\rTransfer-Encoding: chunked\r\n", kZero)},
      {"TE folded", post("Transfer-Encoding:\r\n chunked\r\n", kZero)},
      {"TE folded behind", post("X: x\r\n Transfer-Encoding: chunked\r\n", kZero)},
      {"TE high byte", post("Transfer-Encoding: chunked\x85\r\n", kZero)},
      {"TE non-breaking space",
       post("Transfer-Encoding: \xa0"
            "chunked\r\n",
            kZero)},
      {"TE in HTTP/1.0",
       "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + kZero},
  };
}

std::vector<Attempt> line_attempts() {
  return {
      {"LF line ends", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello"},
      {"head ends with LF LF", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\nhello"},
      {"CR CR LF", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\r\n\r\nhello"},
      {"two requests in one line", "GET / HTTP/1.1 GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no version", "GET /\r\nHost: a\r\n\r\n"},
      {"version 1.1 in small letters", "GET / http/1.1\r\nHost: a\r\n\r\n"},
      {"version with space", "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n"},
      {"version 1.01", "GET / HTTP/1.01\r\nHost: a\r\n\r\n"},
      {"tab in request line", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"Host list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"},
      {"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {"Host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
      {"Host with space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
      {"no Host", "GET / HTTP/1.1\r\n\r\n"},
      {"field before Host folded", "GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n"},
      {"CONNECT", "CONNECT b:80 HTTP/1.1\r\nHost: b:80\r\n\r\n"},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
  };
}

std::vector<Attempt> chunk_attempts() {
  return {
      {"size overflow", "10000000000000001\r\nx\r\n0\r\n\r\n"},
      {"size overflow by zeros", "000000000000000000001\r\nx\r\n0\r\n\r\n"},
      {"size with 0x", "0x1\r\nx\r\n0\r\n\r\n"},
      {"size with plus", "+1\r\nx\r\n0\r\n\r\n"},
      {"size with minus", "-1\r\nx\r\n0\r\n\r\n"},
      {"size with leading space", " 1\r\nx\r\n0\r\n\r\n"},
      {"size with trailing space", "1 \r\nx\r\n0\r\n\r\n"},
      {"size with underscore", "1_\r\nx\r\n0\r\n\r\n"},
      {"size empty", "\r\nx\r\n0\r\n\r\n"},
      {"size ends with LF", "1\nx\r\n0\r\n\r\n"},
      {"size ends with CR", "1\rx\r\n0\r\n\r\n"},
      {"size ends with CR CR LF", "1\r\r\nx\r\n0\r\n\r\n"},
      {"extension ends with LF", "1;a\nx\r\n0\r\n\r\n"},
      {"extension ends with CR", "1;a\rx\r\n0\r\n\r\n"},
      {"data too long", "1\r\nxx\r\n0\r\n\r\n"},
      {"data ends with LF", "1\r\nx\n0\r\n\r\n"},
      {"data ends with anything", "1\r\nxXX0\r\n\r\n"},
      {"last chunk ends with LF", "0\n\r\n"},
      {"body ends with LF", "0\r\n\n"},
      {"trailer folded", "0\r\n a: b\r\n\r\n"},
      {"trailer with space before colon", "0\r\na : b\r\n\r\n"},
      {"trailer is a request", "0\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"trailer ends with LF", "0\r\na: b\n\r\n"},
      {"NUL behind size", std::string("1\0\r\nx\r\n0\r\n\r\n", 12)},
  };
}

std::vector<Attempt> target_attempts() {
  return {
      {"encoded slash", "/public/..%2fadmin"},
      {"encoded slash in capitals", "/public/..%2Fadmin"},
      {"encoded backslash", "/public/..%5cadmin"},
      {"backslash", "/public/..\\admin"},
      {"climbing", "/public/../../admin"},
      {"climbing, encoded", "/%2e%2e/admin"},
      {"parameter on dots", "/public/..;/admin"},
      {"NUL", "/public%00/admin"},
      {"line break", "/public%0d%0aX: y"},
      {"fragment", "/public#/../admin"},
      {"user information", "http://a@evil/"},
      {"other host", "http://evil/"},
      {"other scheme", "file:///etc/passwd"},
      {"bare host", "evil:80"},
      {"broken escape", "/%u002e%u002e/admin"},
      {"overlong dot is no dot", "/%c0%ae%c0%ae/%zz"},
  };
}

constexpr std::string_view kPrize = "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(SmugglingTest, EveryHeadIsRefused) {
  for (const auto& attempts : {length_attempts(), coding_attempts(), line_attempts()}) {
    for (const Attempt& attempt : attempts) {
      const std::string bytes = attempt.bytes + std::string(kPrize);
      const auto parsed = test::parse_request(bytes);
      EXPECT_EQ(parsed->state, ParseState::kError) << attempt.name;
      EXPECT_EQ(test::outcome_in_pieces(bytes, 1), parsed->outcome()) << attempt.name;
    }
  }
}

TEST(SmugglingTest, EveryChunkedBodyIsRefused) {
  for (const Attempt& attempt : chunk_attempts()) {
    for (const std::size_t stride : {~std::size_t{0}, std::size_t{1}}) {
      for (const BodyOutput output : {BodyOutput::kAsIs, BodyOutput::kData}) {
        BodyTracker tracker(BodyFraming{BodyKind::kChunked, 0}, output);
        const auto body = test::track(tracker, attempt.bytes + std::string(kPrize), stride);
        EXPECT_EQ(body.state, BodyState::kError) << attempt.name;
      }
    }
  }
}

TEST(SmugglingTest, EveryTargetIsRefused) {
  for (const Attempt& attempt : target_attempts()) {
    const auto parsed =
        test::parse_request("GET " + attempt.bytes + " HTTP/1.1\r\nHost: a\r\n\r\n");
    if (parsed->state == ParseState::kError) continue;
    std::string scratch(target_scratch_bytes(parsed->head), ' ');
    Target target;
    EXPECT_TRUE(parse_target(parsed->head, {}, scratch, target)) << attempt.name;
  }
}

}  // namespace
}  // namespace canaryd::http
