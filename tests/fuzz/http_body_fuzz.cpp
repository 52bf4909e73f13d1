// A body: the first byte chooses framing and output. Any pieces give one result; canonical output
// stays as it is and decodes to the same data, for us and for a liberal reader.
#include "canaryd/base/error.hpp"
#include "fuzz/fuzz_target.hpp"
#include "fuzz/plain_reader.hpp"
#include "unit/http/http_support.hpp"

#include <string>
#include <string_view>

using namespace canaryd::http;
using canaryd::fuzz::PlainBody;
using canaryd::fuzz::PlainReader;

namespace {

constexpr std::size_t kAll = ~std::size_t{0};
constexpr BodyFraming kChunked{BodyKind::kChunked, 0};

test::TrackedBody run(const BodyFraming& framing,
                      BodyOutput output,
                      std::string_view text,
                      std::size_t stride) {
  BodyTracker tracker(framing, output);
  auto body = test::track(tracker, text, stride);
  CANARYD_ASSERT(tracker.complete() == (body.state == BodyState::kComplete) || text.empty());
  CANARYD_ASSERT(body.consumed <= text.size());
  if (!tracker.complete() && !tracker.failed()) {
    body.forwarded += tracker.finish().forward;
    CANARYD_ASSERT(tracker.complete() == (framing.kind == BodyKind::kUntilClose));
  }
  return body;
}

// Nothing that frames, routes or authenticates, whichever way a server writes it.
bool is_forbidden_trailer(std::string_view name) {
  const std::string variable = canaryd::fuzz::variable_name(name);
  for (const std::string_view never : {"content-length",
                                       "transfer-encoding",
                                       "host",
                                       "connection",
                                       "trailer",
                                       "te",
                                       "upgrade",
                                       "authorization",
                                       "cookie",
                                       "set-cookie",
                                       "forwarded",
                                       "content-type",
                                       "x-canaryd-cohort",
                                       "x-canaryd-rollout",
                                       "x-canaryd-error"}) {
    if (variable == never) return true;
  }
  return variable.starts_with("x-forwarded-");
}

// `text` is one chunked body that we accepted, `data` what we took for its data.
void check_chunks(std::string_view text, std::string_view data, std::size_t stride) {
  const PlainBody received = PlainReader(text).chunks();
  CANARYD_ASSERT(received.complete && received.size == text.size() && received.data == data);

  const auto sent = run(kChunked, BodyOutput::kAsIs, text, stride);
  const PlainBody plain = PlainReader(sent.forwarded).chunks();
  CANARYD_ASSERT(plain.complete && plain.size == sent.forwarded.size() && plain.data == data);
  std::size_t from = 0;
  for (const auto& trailer : plain.trailers) {
    CANARYD_ASSERT(!is_forbidden_trailer(trailer.name));
    while (from < received.trailers.size() && !(received.trailers[from] == trailer)) ++from;
    CANARYD_ASSERT(from < received.trailers.size());
    ++from;
  }
  const auto again = run(kChunked, BodyOutput::kAsIs, sent.forwarded, kAll);
  CANARYD_ASSERT(again.state == BodyState::kComplete && again.forwarded == sent.forwarded);
  CANARYD_ASSERT(run(kChunked, BodyOutput::kData, sent.forwarded, kAll).forwarded == data);

  const auto bare = run(kChunked, BodyOutput::kNoTrailers, text, stride);
  const PlainBody without = PlainReader(bare.forwarded).chunks();
  CANARYD_ASSERT(without.complete && without.size == bare.forwarded.size());
  CANARYD_ASSERT(without.data == data && without.trailers.empty());
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto text = canaryd::fuzz::text_of(data, size).substr(1);
  BodyFraming framing = kChunked;
  if (data[0] % 4 == 0) framing = {BodyKind::kLength, data[0]};
  if (data[0] % 4 == 1) framing = {BodyKind::kUntilClose, 0};
  const std::size_t stride = 1 + data[0] / 16;

  const auto whole = run(framing, BodyOutput::kAsIs, text, kAll);
  const auto pieces = run(framing, BodyOutput::kAsIs, text, stride);
  CANARYD_ASSERT(whole.forwarded == pieces.forwarded);
  CANARYD_ASSERT(whole.consumed == pieces.consumed);
  CANARYD_ASSERT(whole.state == pieces.state);

  const auto plain = run(framing, BodyOutput::kData, text, kAll);
  CANARYD_ASSERT(plain.state == whole.state && plain.consumed == whole.consumed);
  CANARYD_ASSERT(plain.forwarded == run(framing, BodyOutput::kData, text, stride).forwarded);

  if (framing.kind == BodyKind::kChunked && whole.state == BodyState::kComplete) {
    check_chunks(text.substr(0, whole.consumed), plain.forwarded, stride);
  }
  if (framing.kind == BodyKind::kUntilClose) {
    const auto wrapped = run(framing, BodyOutput::kChunked, text, stride);
    const auto unwrapped = run(kChunked, BodyOutput::kData, wrapped.forwarded, kAll);
    CANARYD_ASSERT(unwrapped.state == BodyState::kComplete && unwrapped.forwarded == text);
    check_chunks(wrapped.forwarded, text, stride);
  }
  return 0;
}
