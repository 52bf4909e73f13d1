// Boost.Beast's parser as a second opinion: whatever we accept, it accepts too, with the same
// fields, the same framing and the same data in the body. (The other way round does not hold: we
// refuse more.)
//
// Inputs are made from a seed: likely lines, then a few damaged bytes. The one place where Beast
// meets this room.
#include "canaryd/base/random.hpp"
#include "unit/http/http_support.hpp"

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::http {
namespace {

namespace beast = boost::beast;

template <bool kRequest>
class Oracle final : public beast::http::basic_parser<kRequest> {
 public:
  std::string method, target, reason, body;
  int version = 0;
  int status = 0;
  std::optional<std::uint64_t> length;
  std::vector<std::pair<std::string, std::string>> fields;

  // What Beast makes of the whole text; empty: accepted as far as it goes.
  beast::error_code read(std::string_view text) {
    this->eager(true);
    this->body_limit(boost::none);
    this->header_limit(1 << 20);
    beast::error_code error;
    while (!text.empty() && !this->is_done()) {
      const auto used = this->put(boost::asio::buffer(text.data(), text.size()), error);
      text.remove_prefix(used);
      if (error == beast::http::error::need_more) return {};
      if (error || used == 0) return error;
    }
    return error;
  }

 private:
  using View = beast::string_view;
  using Code = beast::error_code;

  void on_request_impl(beast::http::verb, View m, View t, int v, Code&) override {
    method = std::string(m);
    target = std::string(t);
    version = v;
  }
  void on_response_impl(int s, View r, int v, Code&) override {
    status = s;
    reason = std::string(r);
    version = v;
  }
  void on_field_impl(beast::http::field, View name, View value, Code&) override {
    if (!this->is_header_done()) fields.emplace_back(std::string(name), std::string(value));
  }
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& n, Code&) override {
    if (n) length = *n;
  }
  std::size_t on_body_impl(View data, Code&) override {
    body.append(data.data(), data.size());
    return data.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View data, Code&) override {
    body.append(data.data(), data.size());
    return data.size();
  }
  void on_finish_impl(Code&) override {}
};

const char* pick(Random& random, const std::vector<const char*>& from) {
  return from[random.below(from.size())];
}

std::string random_fields(Random& random) {
  static const std::vector<const char*> kLines = {
      "Content-Length: 5",
      "content-length:11",
      "Content-Length: 0",
      "Content-Length: 007",
      "Content-Length: 5, 5",
      "Content-Length: +5",
      "Transfer-Encoding: chunked",
      "transfer-encoding: Chunked",
      "Transfer-Encoding: gzip, chunked",
      "Transfer-Encoding: identity",
      "Transfer-Encoding: chunked, chunked",
      "Connection: close",
      "Connection: keep-alive",
      "Connection: X-A, close",
      "Connection: upgrade",
      "Upgrade: websocket",
      "Expect: 100-continue",
      "Expect: other",
      "Host: b",
      "TE: trailers",
      "X-A: 1",
      "X-Empty:",
      "X-Tabs:\t a \t",
      "X-High: \xc3\xa4",
      "Cookie: a=b; c=d",
      "Accept: text/html, */*;q=0.1",
      "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  std::string text;
  for (std::uint64_t count = random.below(6); count > 0; --count) {
    text += pick(random, kLines);
    text += "\r\n";
  }
  return text;
}

void damage(Random& random, std::string& text) {
  static constexpr std::string_view kBytes("\r\n\t \0:;,aZ09-+_/%\x01\x7f\x80\xff", 22);
  for (std::uint64_t count = random.below(3); count > 0 && !text.empty(); --count) {
    const std::size_t at = random.below(text.size());
    const char c = kBytes[random.below(kBytes.size())];
    switch (random.below(4)) {
      case 0:
        text[at] = c;
        break;
      case 1:
        text.insert(at, 1, c);
        break;
      case 2:
        text.erase(at, 1);
        break;
      default:
        text.insert(at, text.substr(at, 1 + random.below(20)));
        break;
    }
  }
}

std::string random_body(Random& random) {
  static const std::vector<const char*> kBodies = {
      "hello world, and more behind it",
      "5\r\nhello\r\n0\r\n\r\n",
      "5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n",
      "005\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
      "5\r\nhelloX\r\n0\r\n\r\n",
      "b\r\nhello world\r\n1\r\n!\r\n0\r\n\r\n",
  };
  return pick(random, kBodies);
}

template <bool kRequest>
void expect_same_fields(const Oracle<kRequest>& oracle,
                        const FieldList& fields,
                        const std::string& text) {
  ASSERT_EQ(oracle.fields.size(), fields.size()) << text;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    ASSERT_EQ(oracle.fields[i].first, fields[i].name) << text;
    ASSERT_EQ(oracle.fields[i].second, fields[i].value) << text;
  }
}

template <bool kRequest>
void expect_same_body(const Oracle<kRequest>& oracle,
                      const BodyFraming& framing,
                      std::string_view body,
                      const std::string& text) {
  BodyTracker tracker(framing, BodyOutput::kData);
  const auto tracked = test::track(tracker, body, ~std::size_t{0});
  if (tracker.failed()) return;
  ASSERT_EQ(oracle.body, tracked.forwarded) << text;
  ASSERT_EQ(oracle.is_done(), tracker.complete()) << text;
}

// HTTP/1.2 and later are read as 1.1 (RFC 9110 section 2.5); Beast refuses them.
bool says_later_minor(std::string_view head) {
  constexpr std::string_view kVersion = "HTTP/1.";
  const std::size_t at = head.substr(0, head.find('\n')).find(kVersion);
  const std::size_t minor = at == std::string_view::npos ? head.size() : at + kVersion.size();
  return minor < head.size() && head[minor] > '1';
}

TEST(BeastOracleTest, AgreesOnEveryRequestThatWeAccept) {
  unsigned accepted = 0;
  for (std::uint64_t seed = 1; seed <= 100000; ++seed) {
    Random random(seed);
    std::string text = pick(random,
                            {"GET / HTTP/1.1\r\n",
                             "POST /a?b=%20 HTTP/1.1\r\n",
                             "PUT http://a/ HTTP/1.1\r\n",
                             "OPTIONS * HTTP/1.1\r\n",
                             "BREW /pot HTTP/1.1\r\n",
                             "GET / HTTP/1.0\r\n"});
    if (random.chance(0.9)) text += "Host: a\r\n";
    text += random_fields(random) + "\r\n";
    damage(random, text);
    text += random_body(random);

    const auto parsed = test::parse_request(text);
    if (parsed->state != ParseState::kDone) continue;
    // Empty lines before a request are ours to pass over (RFC 9112 section 2.2); Beast does not.
    const std::size_t start = text.find_first_not_of("\r\n");
    if (says_later_minor(std::string_view(text).substr(start))) continue;
    ++accepted;
    Oracle<true> oracle;
    const auto error = oracle.read(std::string_view(text).substr(start));
    const RequestHead& head = parsed->head;
    ASSERT_TRUE(oracle.is_header_done()) << "seed " << seed << " " << error.message() << "\n"
                                         << text;
    ASSERT_EQ(oracle.method, head.method_text) << text;
    ASSERT_EQ(oracle.target, head.target) << text;
    ASSERT_EQ(oracle.version, 10 + head.version_minor) << text;
    // HTTP/1.0 with both keep-alive and close: we close, Beast does not.
    ASSERT_TRUE(oracle.keep_alive() || !head.keep_alive) << text;
    ASSERT_EQ(oracle.chunked(), head.framing.kind == BodyKind::kChunked) << text;
    ASSERT_EQ(oracle.content_length().has_value(), head.framing.kind == BodyKind::kLength) << text;
    ASSERT_EQ(oracle.length.value_or(0), head.framing.length) << text;
    expect_same_fields(oracle, head.fields, text);
    expect_same_body(oracle, head.framing, std::string_view(text).substr(head.size), text);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(accepted, 20000U);
}

TEST(BeastOracleTest, AgreesOnEveryResponseThatWeAccept) {
  unsigned accepted = 0;
  for (std::uint64_t seed = 1; seed <= 100000; ++seed) {
    Random random(seed);
    std::string text = pick(random,
                            {"HTTP/1.1 200 OK\r\n",
                             "HTTP/1.1 204 No Content\r\n",
                             "HTTP/1.1 304 Not Modified\r\n",
                             "HTTP/1.0 200 \r\n",
                             "HTTP/1.1 503 Service Unavailable\r\n",
                             "HTTP/1.1 103 Early Hints\r\n"});
    const Method method = random.chance(0.2) ? Method::kHead : Method::kGet;
    text += random_fields(random) + "\r\n";
    damage(random, text);
    text += random_body(random);

    const auto parsed = test::parse_response(text, method);
    if (parsed->state != ParseState::kDone) continue;
    // We take a status line without the space before its empty reason, Beast does not.
    if (text[12] == '\r' || says_later_minor(text)) continue;
    ++accepted;
    Oracle<false> oracle;
    oracle.skip(method == Method::kHead);
    const auto error = oracle.read(text);
    const ResponseHead& head = parsed->head;
    ASSERT_TRUE(oracle.is_header_done()) << "seed " << seed << " " << error.message() << "\n"
                                         << text;
    ASSERT_EQ(oracle.status, head.status) << text;
    ASSERT_EQ(oracle.reason, head.reason) << text;
    ASSERT_EQ(oracle.version, 10 + head.version_minor) << text;
    expect_same_fields(oracle, head.fields, text);
    expect_same_body(oracle, head.framing, std::string_view(text).substr(head.size), text);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(accepted, 20000U);
}

}  // namespace
}  // namespace canaryd::http
