// A body: the first byte chooses framing and output. Any pieces give one result; canonical output
// stays as it is and decodes to the same data.
#include "canaryd/base/error.hpp"
#include "fuzz/fuzz_target.hpp"
#include "unit/http/http_support.hpp"

#include <string>
#include <string_view>

using namespace canaryd::http;

namespace {

constexpr std::size_t kAll = ~std::size_t{0};

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

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto text = canaryd::fuzz::text_of(data, size).substr(1);
  BodyFraming framing{BodyKind::kChunked, 0};
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

  const BodyFraming chunked{BodyKind::kChunked, 0};
  if (framing.kind == BodyKind::kChunked && whole.state == BodyState::kComplete) {
    const auto again = run(chunked, BodyOutput::kAsIs, whole.forwarded, kAll);
    CANARYD_ASSERT(again.state == BodyState::kComplete && again.forwarded == whole.forwarded);
    CANARYD_ASSERT(run(chunked, BodyOutput::kData, whole.forwarded, kAll).forwarded ==
                   plain.forwarded);
  }
  if (framing.kind == BodyKind::kUntilClose) {
    const auto wrapped = run(framing, BodyOutput::kChunked, text, stride);
    const auto unwrapped = run(chunked, BodyOutput::kData, wrapped.forwarded, kAll);
    CANARYD_ASSERT(unwrapped.state == BodyState::kComplete && unwrapped.forwarded == text);
  }
  return 0;
}
