#include "canaryd/http/body.hpp"

#include "canaryd/base/random.hpp"
#include "unit/http/http_support.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace canaryd::http {
namespace {

using test::track;
using test::TrackedBody;

constexpr BodyFraming kChunkedBody{BodyKind::kChunked, 0};
constexpr std::size_t kAll = ~std::size_t{0};

TrackedBody chunked(std::string_view input,
                    BodyOutput output = BodyOutput::kAsIs,
                    std::size_t stride = kAll) {
  BodyTracker tracker(kChunkedBody, output);
  return track(tracker, input, stride);
}

TEST(BodyTrackerTest, NoBodyIsCompleteAtOnce) {
  BodyTracker none;
  EXPECT_TRUE(none.complete());
  EXPECT_EQ(none.next("GET").consumed, 0U);
  EXPECT_TRUE(BodyTracker(BodyFraming{BodyKind::kLength, 0}).complete());
  EXPECT_EQ(none.finish().state, BodyState::kComplete);
}

TEST(BodyTrackerTest, LengthStopsAtItsEnd) {
  BodyTracker tracker(BodyFraming{BodyKind::kLength, 5});
  const TrackedBody body = track(tracker, "helloGET / HTTP/1.1", kAll);
  EXPECT_EQ(body.forwarded, "hello");
  EXPECT_EQ(body.consumed, 5U);
  EXPECT_EQ(body.state, BodyState::kComplete);
  EXPECT_EQ(tracker.data_bytes(), 5U);
}

TEST(BodyTrackerTest, Rfc9112Section8ShortBodiesAreCutOff) {
  BodyTracker length(BodyFraming{BodyKind::kLength, 5});
  EXPECT_EQ(length.next("hell").state, BodyState::kMore);
  EXPECT_EQ(length.finish().state, BodyState::kError);
  EXPECT_FALSE(length.complete());
  EXPECT_TRUE(length.failed());
  const std::string whole = "5\r\nhello\r\n0\r\nX: y\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BodyTracker tracker(kChunkedBody);
    EXPECT_EQ(track(tracker, whole.substr(0, size), kAll).state, BodyState::kMore);
    EXPECT_FALSE(tracker.complete()) << size;
    EXPECT_EQ(tracker.finish().state, BodyState::kError) << size;
  }
}

TEST(BodyTrackerTest, UntilCloseIsCompletedByTheClose) {
  BodyTracker tracker(BodyFraming{BodyKind::kUntilClose, 0});
  EXPECT_EQ(tracker.next("abc").forward, "abc");
  EXPECT_FALSE(tracker.complete());
  EXPECT_EQ(tracker.finish().state, BodyState::kComplete);
  EXPECT_TRUE(tracker.complete());
}

TEST(BodyTrackerTest, CleanChunksGoThroughAsOneRun) {
  const std::string input = "5\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n";
  const TrackedBody body = chunked(input + "NEXT");
  EXPECT_EQ(body.forwarded, input);
  EXPECT_EQ(body.consumed, input.size());
  EXPECT_EQ(body.runs, 1U);
  EXPECT_EQ(body.state, BodyState::kComplete);
}

TEST(BodyTrackerTest, Rfc9112Section7_1DecodesForReceiversWithoutChunks) {
  BodyTracker tracker(kChunkedBody, BodyOutput::kData);
  const TrackedBody body =
      track(tracker, "5;x=\"y\"\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n", kAll);
  EXPECT_EQ(body.forwarded, "hello world");
  EXPECT_EQ(body.state, BodyState::kComplete);
  EXPECT_EQ(tracker.data_bytes(), 11U);
}

TEST(BodyTrackerTest, Rfc9112Section7_1_1ExtensionsAreCut) {
  EXPECT_EQ(chunked("5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n").forwarded,
            "5\r\nhello\r\n0\r\n\r\n");
  const std::string line = "1;" + std::string(kChunkExtensionBytesMax / 4, 'x') + "\r\na\r\n";
  EXPECT_EQ(chunked(line + line + line).state, BodyState::kMore);
  EXPECT_EQ(chunked(line + line + line + line).state, BodyState::kError);
}

TEST(BodyTrackerTest, Rfc9110Section6_5_1TrailersAreFiltered) {
  EXPECT_EQ(chunked("0\r\nX-Checksum: 1\r\nContent-Length: 5\r\nGrpc-Status: 0\r\n"
                    "transfer-encoding: chunked\r\nHost: b\r\nAuthorization: x\r\nSet-Cookie: y\r\n"
                    "X-Canaryd-Cohort: canary\r\nX-Forwarded-For: 1\r\n"
                    "X-A-Very-Long-Name-That-Fits-No-Buffer: 2\r\nEmpty:\r\n\r\n")
                .forwarded,
            "0\r\nX-Checksum: 1\r\nGrpc-Status: 0\r\n"
            "X-A-Very-Long-Name-That-Fits-No-Buffer: 2\r\nEmpty:\r\n\r\n");
}

TEST(BodyTrackerTest, TrailersAreBounded) {
  std::string many = "0\r\n";
  for (unsigned i = 0; i < kTrailerCountMax; ++i) many += "a:\r\n";
  EXPECT_EQ(chunked(many + "\r\n").state, BodyState::kComplete);
  EXPECT_EQ(chunked(many + "a:\r\n\r\n").state, BodyState::kError);
  EXPECT_EQ(chunked("0\r\na:" + std::string(kTrailerBytesMax, 'v')).state, BodyState::kError);
  EXPECT_EQ(chunked("0\r\n" + std::string(kTrailerBytesMax + 1, 'n')).state, BodyState::kError);
}

TEST(BodyTrackerTest, SizesNeitherOverflowNorVary) {
  BodyTracker largest(kChunkedBody);
  EXPECT_EQ(track(largest, "FFFFFFFFFFFFFFFF\r\nab", kAll).state, BodyState::kMore);
  EXPECT_EQ(largest.data_bytes(), 2U);
  EXPECT_EQ(chunked("0000000000000002\r\nab\r\n0\r\n\r\n").state, BodyState::kComplete);
  for (const char* wrong : {"10000000000000000\r\n",
                            "00000000000000002\r\nab\r\n",
                            "\r\n",
                            "x\r\n",
                            "-1\r\n",
                            "+1\r\n",
                            " 1\r\n",
                            "1 \r\n",
                            "0x1\r\n",
                            "1\n",
                            "1\r\r\n",
                            "1;a\nb\r\n",
                            "1;\x01\r\n",
                            ";a\r\n",
                            "1_0\r\n",
                            "1.\r\n"}) {
    EXPECT_EQ(chunked(wrong).state, BodyState::kError) << wrong;
  }
}

TEST(BodyTrackerTest, ChunksAndTrailersEndAsTheyMust) {
  for (const char* wrong : {"1\r\nab\r\n",
                            "1\r\na\n",
                            "1\r\na\rx",
                            "1\r\naX\r\n",
                            "0\r\n\n",
                            "0\r\n\rx",
                            "0\r\n :a\r\n",
                            "0\r\na : b\r\n",
                            "0\r\n: b\r\n",
                            "0\r\na\r\n",
                            "0\r\na: b\n",
                            "0\r\na: b\rc",
                            "0\r\na: b\x01",
                            "0\r\na: b\r\n c\r\n"}) {
    EXPECT_EQ(chunked(wrong).state, BodyState::kError) << wrong;
    EXPECT_EQ(chunked(wrong, BodyOutput::kData).state, BodyState::kError) << wrong;
  }
}

TEST(BodyTrackerTest, UntilCloseBecomesChunked) {
  BodyTracker tracker(BodyFraming{BodyKind::kUntilClose, 0}, BodyOutput::kChunked);
  std::string sent = track(tracker, "hello", kAll).forwarded;
  sent += track(tracker, std::string(20, 'x'), 16).forwarded;
  const BodyStep last = tracker.finish();
  sent += last.forward;
  EXPECT_EQ(last.state, BodyState::kComplete);
  EXPECT_EQ(sent, "5\r\nhello\r\n10\r\n" + std::string(16, 'x') + "\r\n4\r\nxxxx\r\n0\r\n\r\n");
  EXPECT_EQ(chunked(sent, BodyOutput::kData).forwarded, "hello" + std::string(20, 'x'));

  BodyTracker nothing(BodyFraming{BodyKind::kUntilClose, 0}, BodyOutput::kChunked);
  EXPECT_EQ(nothing.finish().forward, "0\r\n\r\n");
}

TEST(BodyTrackerTest, PiecesMakeNoDifference) {
  const std::vector<std::string> inputs = {
      "5\r\nhello\r\n0\r\n\r\n",
      "5;ext=1\r\nhello\r\n3\r\nabc\r\n0;x\r\nA: b\r\nHost: c\r\nD: e\r\n\r\nrest",
      "0\r\nX-A-Very-Long-Name-That-Fits-No-Buffer: 2\r\nContent-Length: 1\r\n\r\n",
      "0\r\nabcdefghijklmnopqrstuvw: 23\r\nabcdefghijklmnopqrstuvwx: 24\r\n\r\n",
      "5\r\nhelloX",
      "0\r\na: b\r\nc d: e\r\n\r\n",
  };
  for (const BodyOutput output : {BodyOutput::kAsIs, BodyOutput::kData}) {
    for (const std::string& input : inputs) {
      const TrackedBody whole = chunked(input, output);
      for (std::size_t stride = 1; stride < 12; ++stride) {
        const TrackedBody pieces = chunked(input, output, stride);
        EXPECT_EQ(pieces.forwarded, whole.forwarded) << input << " by " << stride;
        EXPECT_EQ(pieces.consumed, whole.consumed) << input << " by " << stride;
        EXPECT_EQ(pieces.state, whole.state) << input << " by " << stride;
      }
    }
  }
}

// Random valid bodies: what goes out is canonical, and decodes to the same data.
TEST(BodyTrackerTest, WhatGoesOutIsWhatCameIn) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::string data;
    std::string wire;
    for (std::uint64_t chunks = random.below(6); chunks > 0; --chunks) {
      std::string chunk(1 + random.below(300), ' ');
      for (char& c : chunk) c = static_cast<char>(random.below(256));
      char size[24];
      std::snprintf(size, sizeof size, random.chance(0.5) ? "%zx" : "%04zX", chunk.size());
      wire += size;
      if (random.chance(0.3)) wire += ";n=v";
      wire += "\r\n" + chunk + "\r\n";
      data += chunk;
    }
    wire += "0\r\n";
    if (random.chance(0.5)) wire += "X-Sum: 1\r\nTE: x\r\n";
    wire += "\r\n";
    const std::size_t stride = 1 + random.below(80);
    const TrackedBody out = chunked(wire, BodyOutput::kAsIs, stride);
    ASSERT_EQ(out.state, BodyState::kComplete) << "seed " << seed;
    ASSERT_EQ(out.consumed, wire.size()) << "seed " << seed;
    const TrackedBody again = chunked(out.forwarded);
    ASSERT_EQ(again.forwarded, out.forwarded) << "seed " << seed;
    ASSERT_EQ(again.runs <= 3, true) << "seed " << seed;
    ASSERT_EQ(chunked(out.forwarded, BodyOutput::kData, stride).forwarded, data) << "seed " << seed;
  }
}

// RFC 9110 section 5.6.3: blanks before an extension are understood, and not passed on.
TEST(BodyTrackerTest, TakesBlanksBeforeAnExtensionOnly) {
  for (const std::size_t stride : {~std::size_t{0}, std::size_t{1}}) {
    BodyTracker tracker({BodyKind::kChunked, 0});
    const auto body = test::track(tracker, "2 \t ;x=y\r\nok\r\n0\t;\r\n\r\n", stride);
    EXPECT_EQ(body.state, BodyState::kComplete);
    EXPECT_EQ(body.forwarded, "2\r\nok\r\n0\r\n\r\n");
    for (const char* wrong : {"2 \r\nok\r\n", "2 2;\r\nok\r\n", "2\t\r\nok\r\n"}) {
      BodyTracker strict({BodyKind::kChunked, 0});
      EXPECT_EQ(test::track(strict, wrong, stride).state, BodyState::kError) << wrong;
    }
    BodyTracker endless({BodyKind::kChunked, 0});
    const std::string blanks(kChunkExtensionBytesMax + 1, ' ');
    EXPECT_EQ(test::track(endless, "2" + blanks, stride).state, BodyState::kError);
  }
}

TEST(BodyTrackerTest, CutsTrailersThatServersTakeForOthers) {
  BodyTracker tracker({BodyKind::kChunked, 0});
  const auto body = test::track(tracker,
                                "0\r\nA: 1\r\ncontent_length: 5\r\nX_Forwarded_For: b\r\n"
                                "X-Forwarded-Port: 1\r\nIf-Match: *\r\nAge: 1\r\nB_C: 2\r\n\r\n",
                                ~std::size_t{0});
  EXPECT_EQ(body.forwarded, "0\r\nA: 1\r\nB_C: 2\r\n\r\n");
}

TEST(BodyTrackerTest, CutsTheForwardedFamilyHoweverLongTheName) {
  for (const std::size_t stride : {~std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    BodyTracker tracker({BodyKind::kChunked, 0});
    const auto body = test::track(tracker,
                                  "0\r\nX-Forwarded-Client-Certificate: 1\r\n"
                                  "x_forwarded_client_certificate_chain: 2\r\nA: 3\r\n\r\n",
                                  stride);
    EXPECT_EQ(body.state, BodyState::kComplete);
    EXPECT_EQ(body.forwarded, "0\r\nA: 3\r\n\r\n");
  }
}

TEST(BodyTrackerTest, PassesNoTrailersOnWhenToldSo) {
  for (const std::size_t stride : {~std::size_t{0}, std::size_t{1}}) {
    BodyTracker tracker({BodyKind::kChunked, 0}, BodyOutput::kNoTrailers);
    const std::string long_name(40, 'n');
    const auto body =
        test::track(tracker, "2\r\nok\r\n0\r\nA: 1\r\n" + long_name + ": 2\r\n\r\n", stride);
    EXPECT_EQ(body.state, BodyState::kComplete);
    EXPECT_EQ(body.forwarded, "2\r\nok\r\n0\r\n\r\n");
  }
}

}  // namespace
}  // namespace canaryd::http
