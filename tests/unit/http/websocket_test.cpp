#include "canaryd/http/websocket.hpp"

#include "canaryd/http/forwarding.hpp"
#include "canaryd/http/h1_parser.hpp"
#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <string>

namespace canaryd::http::test {
namespace {

const std::string kKey = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const std::string kOffer = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const std::string kAccept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

bool offers(const std::string& fields, const std::string& line = "GET /chat HTTP/1.1") {
  const auto parsed = parse_request(line + "\r\nHost: a\r\n" + fields + "\r\n");
  EXPECT_EQ(parsed->state, ParseState::kDone) << fields;
  return offers_websocket(parsed->head);
}

TEST(WebsocketHandshake, Rfc6455Section4_1) {
  EXPECT_TRUE(offers(kOffer + kKey + "Sec-WebSocket-Version: 13\r\n"));
  EXPECT_TRUE(offers("connection: keep-alive, upgrade\r\nupgrade: WebSocket\r\n" + kKey));
  // A version that nobody knows is for the upstream to refuse.
  EXPECT_TRUE(offers(kOffer + kKey + "Sec-WebSocket-Version: 99\r\n"));
  EXPECT_TRUE(offers(kOffer + kKey + "Content-Length: 0\r\n"));
}

TEST(WebsocketHandshake, WhatIsNotExactlyAnOfferIsNone) {
  EXPECT_FALSE(offers(kKey));
  EXPECT_FALSE(offers("Upgrade: websocket\r\n" + kKey));
  EXPECT_FALSE(offers("Connection: upgrade\r\n" + kKey));
  EXPECT_FALSE(offers(kOffer));
  EXPECT_FALSE(offers("Connection: upgrade\r\nUpgrade: h2c\r\n" + kKey));
  EXPECT_FALSE(offers("Connection: upgrade\r\nUpgrade: websocket, h2c\r\n" + kKey));
  EXPECT_FALSE(offers("Connection: upgrade\r\nUpgrade: websocket/13\r\n" + kKey));
  EXPECT_FALSE(offers(kOffer + "Upgrade: websocket\r\n" + kKey));
  EXPECT_FALSE(offers(kOffer + kKey + kKey));
  EXPECT_FALSE(offers(kOffer + "Sec-WebSocket-Key: short\r\n"));
  EXPECT_FALSE(offers(kOffer + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n"));
  EXPECT_FALSE(offers(kOffer + kKey + "Content-Length: 1\r\n"));
  EXPECT_FALSE(offers(kOffer + kKey + "Transfer-Encoding: chunked\r\n"));
  EXPECT_FALSE(offers(kOffer + kKey, "POST /chat HTTP/1.1"));
  EXPECT_FALSE(offers(kOffer + kKey, "HEAD /chat HTTP/1.1"));
  EXPECT_FALSE(offers(kOffer + kKey, "GET /chat HTTP/1.0"));
  // The key would be taken away on its way.
  EXPECT_FALSE(offers("Connection: upgrade, Sec-WebSocket-Key\r\nUpgrade: websocket\r\n" + kKey));
}

TEST(WebsocketHandshake, OnlyAWholeAgreementIsA101) {
  const std::string start = "HTTP/1.1 101 Switching Protocols\r\n";
  EXPECT_EQ(parse_response(start + kOffer + kAccept + "\r\n")->state, ParseState::kDone);
  for (const std::string& text : {
           start + "\r\n",
           start + kOffer + "\r\n",
           start + kAccept + "\r\n",
           start + "Upgrade: websocket\r\n" + kAccept + "\r\n",
           start + "Connection: upgrade\r\n" + kAccept + "\r\n",
           start + "Connection: upgrade\r\nUpgrade: h2c\r\n" + kAccept + "\r\n",
           start + "Connection: upgrade\r\nUpgrade: websocket, h2c\r\n" + kAccept + "\r\n",
           start + kOffer + kAccept + kAccept + "\r\n",
           start + kOffer + "Sec-WebSocket-Accept: s3pP\r\n\r\n",
           start + kOffer + kAccept + "Content-Length: 3\r\n\r\n",
           start + kOffer + kAccept + "Transfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.0 101 Switching Protocols\r\n" + kOffer + kAccept + "\r\n",
       }) {
    EXPECT_EQ(parse_response(text)->state, ParseState::kError) << text;
  }
}

TEST(WebsocketHandshake, Rfc6455Section4_2_2TheAgreementIsToThisOffer) {
  const auto answers = [](const std::string& key, const std::string& accept) {
    const auto offer = parse_request("GET / HTTP/1.1\r\nHost: a\r\n" + kOffer +
                                     "Sec-WebSocket-Key: " + key + "\r\n\r\n");
    const auto agreement = parse_response("HTTP/1.1 101 Switching Protocols\r\n" + kOffer +
                                          "Sec-WebSocket-Accept: " + accept + "\r\n\r\n");
    EXPECT_TRUE(offers_websocket(offer->head) && accepts_websocket(agreement->head));
    return answers_offer(agreement->head, offer->head);
  };
  EXPECT_TRUE(answers("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_TRUE(answers("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="));
  EXPECT_FALSE(answers("AAAAAAAAAAAAAAAAAAAAAA==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_FALSE(answers("dGhlIHNhbXBsZSBub25jZQ==", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_FALSE(answers("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOoo"));
}

TEST(WebsocketHandshake, Rfc9110Section7_8TheSwitchIsWrittenAnew) {
  const auto parsed = parse_request(
      "GET /chat HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n"
      "Connection: TE, upgrade\r\nUpgrade: WebSocket\r\n" +
      kKey + "\r\n");
  std::array<char, 1024> memory{};
  HeadBuffer out(memory);
  RequestForwarding forwarding;
  forwarding.target = "/chat";
  forwarding.authority = parsed->head.host;
  forwarding.websocket = offers_websocket(parsed->head);
  write_request_head(out, parsed->head, forwarding);
  EXPECT_EQ(out.view(),
            "GET /chat HTTP/1.1\r\nHost: a\r\n" + kKey +
                "X-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\nVia: 1.1 canaryd\r\n"
                "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

// ---- Frames

std::string frame(unsigned opcode, const std::string& payload, bool masked = false) {
  std::string text(1, static_cast<char>(0x80U | opcode));
  const auto mask_bit = masked ? 0x80U : 0U;
  if (payload.size() < 126) {
    text += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() < 65536) {
    text += static_cast<char>(mask_bit | 126U);
    text += static_cast<char>(payload.size() >> 8U);
    text += static_cast<char>(payload.size() & 0xffU);
  } else {
    text += static_cast<char>(mask_bit | 127U);
    for (int shift = 56; shift >= 0; shift -= 8) {
      text += static_cast<char>(payload.size() >> static_cast<unsigned>(shift) & 0xffU);
    }
  }
  if (masked) text += "mask";
  return text + payload;
}

void feed(FrameTracker& tracker, std::string_view bytes, std::size_t step = SIZE_MAX) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, step);
    const std::size_t taken = tracker.next(piece);
    ASSERT_GT(taken, 0U);
    ASSERT_LE(taken, piece.size());
    bytes.remove_prefix(taken);
  }
}

TEST(FrameTrackerTest, EndsAtTheEndOfEachFrame) {
  for (const bool masked : {false, true}) {
    for (const std::size_t size : {0U, 1U, 125U, 126U, 127U, 65535U, 65536U, 100000U}) {
      const std::string one = frame(2, std::string(size, 'x'), masked);
      FrameTracker tracker(masked);
      EXPECT_TRUE(tracker.at_boundary());
      EXPECT_EQ(tracker.next(one + "\x81"), one.size()) << size;
      EXPECT_TRUE(tracker.at_boundary());
      EXPECT_FALSE(tracker.lost());
      EXPECT_FALSE(tracker.closed());
    }
  }
}

TEST(FrameTrackerTest, PiecesGiveTheSameAsTheWhole) {
  const std::string text = frame(1, "hello") + frame(9, "") + frame(2, std::string(300, 'x')) +
                           frame(8, "\x03\xf3 oops");
  for (std::size_t step = 1; step < text.size(); ++step) {
    FrameTracker tracker(false);
    feed(tracker, text.substr(0, text.size() - 1), step);
    EXPECT_FALSE(tracker.closed());
    EXPECT_FALSE(tracker.at_boundary());
    feed(tracker, text.substr(text.size() - 1), step);
    EXPECT_TRUE(tracker.closed()) << step;
    EXPECT_EQ(tracker.close_code(), 1011);
    EXPECT_TRUE(tracker.at_boundary());
  }
}

TEST(FrameTrackerTest, ACloseFrameMayBeEmptyOrMasked) {
  FrameTracker empty(false);
  feed(empty, frame(8, ""));
  EXPECT_TRUE(empty.closed());
  EXPECT_EQ(empty.close_code(), 0);
  FrameTracker masked(true);
  feed(masked, frame(8, "\x6e\x89", true), 1);
  EXPECT_TRUE(masked.closed());
  EXPECT_EQ(masked.close_code(), 0);
}

// Rfc6455Section5_1 and 5_2 and 5_5.
TEST(FrameTrackerTest, IsLostWhereNoFrameBegins) {
  const auto lost = [](const std::string& bytes, bool masked) {
    FrameTracker tracker(masked);
    feed(tracker, bytes, 1);
    return tracker.lost() && !tracker.at_boundary() && !tracker.closed();
  };
  EXPECT_TRUE(lost(frame(1, "x", true), false));
  EXPECT_TRUE(lost(frame(1, "xxxxxx", false), true));
  EXPECT_TRUE(lost(frame(9, std::string(126, 'x')), false));
  EXPECT_TRUE(lost(std::string("\x08\x00", 2), false));  // A Close frame in pieces.
  EXPECT_TRUE(lost("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", false));
  EXPECT_TRUE(lost("HTTP/1.1 200 OK\r\n\r\n", true));
}

TEST(CloseFrameTest, IsWhatTheOtherSideReads) {
  EXPECT_EQ(CloseFrame(kCloseGoingAway).bytes(), "\x88\x02\x03\xe9");
  const CloseFrame masked(kCloseGoingAway, 0x01020304);
  EXPECT_EQ(masked.bytes(), "\x88\x82\x01\x02\x03\x04\x02\xeb");
  FrameTracker server(false);
  feed(server, CloseFrame(kCloseGoingAway).bytes());
  EXPECT_TRUE(server.closed());
  EXPECT_EQ(server.close_code(), kCloseGoingAway);
  FrameTracker client(true);
  feed(client, masked.bytes());
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace canaryd::http::test
