#include "canaryd/http/body.hpp"

#include "canaryd/http/chars.hpp"
#include "http/scan.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace canaryd::http {
namespace {

constexpr unsigned kSizeDigitsMax = 16;

// Those without an id that modify a request or control what becomes of a response.
constexpr std::array<std::string_view, 10> kControls = {"Age",
                                                        "Expires",
                                                        "Vary",
                                                        "Pragma",
                                                        "Range",
                                                        "If-Match",
                                                        "If-Range",
                                                        "If-None-Match",
                                                        "If-Modified-Since",
                                                        "If-Unmodified-Since"};

// RFC 9110 section 6.5.1: fields that frame, route, authenticate, or say how the content is to be
// read must not come behind it. The proxy's own fields are cut as well: a trailer must not
// contradict the head.
// `whole`: not only its first characters.
bool is_cut_from_trailers(std::string_view name, bool whole) noexcept {
  // Servers that turn fields into variables take the one for the other.
  std::array<char, 24> letters{};
  if (name.size() > letters.size()) return false;
  std::replace_copy(name.begin(), name.end(), letters.begin(), '_', '-');
  const std::string_view dashed(letters.data(), name.size());
  if (is_x_forwarded(dashed)) return true;
  if (!whole) return false;
  switch (field_id(dashed)) {
    case FieldId::kOther:
      return std::any_of(kControls.begin(), kControls.end(), [dashed](std::string_view control) {
        return equals_ignore_case(dashed, control);
      });
    case FieldId::kDate:
    case FieldId::kGrpcStatus:
    case FieldId::kTraceparent:
    case FieldId::kTracestate:
    case FieldId::kUserAgent:
    case FieldId::kOrigin:
      return false;
    default:
      return true;
  }
}

}  // namespace

// Walks through one input and gathers one run of bytes that go out. A byte behind a gap does not
// fit into the run: the step ends there, and the next one begins with it.
class BodyTracker::Cursor {
 public:
  explicit Cursor(std::string_view input) noexcept
      : begin_(input.data()), at_(begin_), end_(begin_ + input.size()) {}

  [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }
  [[nodiscard]] char front() const noexcept { return *at_; }
  [[nodiscard]] const char* begin() const noexcept { return begin_; }
  [[nodiscard]] const char* position() const noexcept { return at_; }
  [[nodiscard]] const char* end() const noexcept { return end_; }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }

  // False: not taken, a run is waiting to be sent first.
  [[nodiscard]] bool keep(std::size_t bytes) noexcept {
    if (forward_.data() == nullptr) {
      forward_ = std::string_view(at_, 0);
    } else if (forward_.data() + forward_.size() != at_) {
      return false;
    }
    forward_ = std::string_view(forward_.data(), forward_.size() + bytes);
    at_ += bytes;
    return true;
  }
  void skip(std::size_t bytes) noexcept { at_ += bytes; }
  [[nodiscard]] bool take(std::size_t bytes, bool cut) noexcept {
    if (!cut) return keep(bytes);
    skip(bytes);
    return true;
  }
  // Sends bytes that are not part of the input; it must be the only thing this step sends.
  [[nodiscard]] bool has_run() const noexcept { return forward_.data() != nullptr; }
  void send(std::string_view text) noexcept { forward_ = text; }

  [[nodiscard]] BodyStep result(BodyState state) const noexcept {
    return {static_cast<std::size_t>(at_ - begin_), forward_, state};
  }

 private:
  const char* begin_;
  const char* at_;
  const char* end_;
  std::string_view forward_;
};

// What only a body in chunks looks at is set for one only: most are none.
void BodyTracker::start(const BodyFraming& framing, BodyOutput output) noexcept {
  output_ = output;
  left_ = framing.length;
  data_bytes_ = 0;
  grpc_status_.clear();
  switch (framing.kind) {
    case BodyKind::kNone:
      phase_ = Phase::kComplete;
      break;
    case BodyKind::kLength:
      phase_ = framing.length == 0 ? Phase::kComplete : Phase::kLength;
      break;
    case BodyKind::kChunked:
      phase_ = Phase::kSizeFirst;
      left_ = 0;
      trailers_ = 0;
      trailer_cut_ = in_grpc_status_ = false;
      extension_bytes_ = trailer_bytes_ = 0;
      break;
    case BodyKind::kUntilClose:
      phase_ = output == BodyOutput::kChunked ? Phase::kWrapSize : Phase::kUntilClose;
      first_chunk_ = true;
      break;
  }
}

BodyStep BodyTracker::next(std::string_view input) noexcept {
  switch (phase_) {
    case Phase::kComplete:
      return {0, {}, BodyState::kComplete};
    case Phase::kFailed:
      return {0, {}, BodyState::kError};
    case Phase::kLength:
    case Phase::kUntilClose:
      return next_run(input);
    case Phase::kWrapSize:
    case Phase::kWrapData:
      return next_wrapped(input);
    default:
      return next_chunked(input);
  }
}

BodyStep BodyTracker::finish() noexcept {
  switch (phase_) {
    case Phase::kComplete:
      return {0, {}, BodyState::kComplete};
    case Phase::kUntilClose:
      phase_ = Phase::kComplete;
      return {0, {}, BodyState::kComplete};
    case Phase::kWrapSize:
      phase_ = Phase::kComplete;
      return {0, first_chunk_ ? "0\r\n\r\n" : "\r\n0\r\n\r\n", BodyState::kComplete};
    case Phase::kFailed:
      return {0, {}, BodyState::kError};
    default:
      fail("body cut off");
      return {0, {}, BodyState::kError};
  }
}

BodyStep BodyTracker::next_run(std::string_view input) noexcept {
  if (phase_ == Phase::kUntilClose) {
    data_bytes_ += input.size();
    return {input.size(), input, BodyState::kMore};
  }
  const std::string_view run = input.substr(0, std::min<std::uint64_t>(left_, input.size()));
  left_ -= run.size();
  data_bytes_ += run.size();
  if (left_ == 0) phase_ = Phase::kComplete;
  return {run.size(), run, left_ == 0 ? BodyState::kComplete : BodyState::kMore};
}

BodyStep BodyTracker::next_wrapped(std::string_view input) noexcept {
  if (input.empty()) return {};
  if (phase_ == Phase::kWrapSize) {
    // All of this input becomes one chunk; the line end behind the chunk before it goes with the
    // size.
    char* at = small_.data();
    if (!first_chunk_) at = std::copy_n("\r\n", 2, at);
    at = std::to_chars(at, small_.data() + small_.size(), input.size(), 16).ptr;
    at = std::copy_n("\r\n", 2, at);
    first_chunk_ = false;
    promised_ = input.size();
    phase_ = Phase::kWrapData;
    return {0,
            std::string_view(small_.data(), static_cast<std::size_t>(at - small_.data())),
            BodyState::kMore};
  }
  const std::string_view run = input.substr(0, std::min<std::uint64_t>(promised_, input.size()));
  promised_ -= run.size();
  data_bytes_ += run.size();
  if (promised_ == 0) phase_ = Phase::kWrapSize;
  return {run.size(), run, BodyState::kMore};
}

BodyStep BodyTracker::next_chunked(std::string_view input) noexcept {
  Cursor at(input);
  while (!at.at_end() && step(at)) {
  }
  switch (phase_) {
    case Phase::kComplete:
      return at.result(BodyState::kComplete);
    case Phase::kFailed:
      return at.result(BodyState::kError);
    default:
      return at.result(BodyState::kMore);
  }
}

bool BodyTracker::fail(const char* why) noexcept {
  phase_ = Phase::kFailed;
  error_ = why;
  return false;
}

// One piece of chunked input; false: the step ends here.
bool BodyTracker::step(Cursor& at) noexcept {
  switch (phase_) {
    case Phase::kSizeFirst:
    case Phase::kSize:
      return step_size(at);
    case Phase::kSizeSpace:
      return step_size_space(at);
    case Phase::kExtension:
      return step_extension(at);
    case Phase::kSizeLf:
      return expect(at, '\n', data_only(), left_ == 0 ? Phase::kTrailerStart : Phase::kData);
    case Phase::kData:
      return step_data(at);
    case Phase::kDataCr:
      return expect(at, '\r', data_only(), Phase::kDataLf);
    case Phase::kDataLf:
      return expect(at, '\n', data_only(), Phase::kSizeFirst);
    case Phase::kTrailerStart:
      return step_trailer_start(at);
    case Phase::kTrailerName:
    case Phase::kTrailerLongName:
      return step_trailer_name(at);
    case Phase::kTrailerValue:
      return step_trailer_value(at);
    case Phase::kTrailerLf:
      return expect(at, '\n', trailer_cut_, Phase::kTrailerStart);
    case Phase::kEndLf:
      return expect(at, '\n', data_only(), Phase::kComplete) && false;
    default:
      return false;
  }
}

bool BodyTracker::expect(Cursor& at, char wanted, bool cut, Phase then) noexcept {
  if (at.front() != wanted) return fail("line or chunk does not end where it should");
  if (!at.take(1, cut)) return false;
  phase_ = then;
  return true;
}

bool BodyTracker::step_size(Cursor& at) noexcept {
  const char c = at.front();
  const int digit = hex_digit(c);
  if (digit >= 0) {
    const bool first = phase_ == Phase::kSizeFirst;
    if (!first && digits_ == kSizeDigitsMax) return fail("chunk size too long");
    if (!at.take(1, data_only())) return false;
    digits_ = static_cast<std::uint8_t>(first ? 1 : digits_ + 1);
    left_ = (first ? 0 : left_ << 4U) | static_cast<std::uint64_t>(digit);
    phase_ = Phase::kSize;
    return true;
  }
  if (phase_ == Phase::kSizeFirst) return fail("chunk size is not a number");
  if (c == '\r') return expect(at, '\r', data_only(), Phase::kSizeLf);
  if (c == ' ' || c == '\t') {
    phase_ = Phase::kSizeSpace;
    return true;
  }
  if (c != ';') return fail("chunk size is not a number");
  phase_ = Phase::kExtension;
  return true;
}

// RFC 9110 section 5.6.3: the blanks that the grammar has before an extension are to be understood,
// and they do not go on. Before the end of the line it has none.
bool BodyTracker::step_size_space(Cursor& at) noexcept {
  const char c = at.front();
  if (c == ';') {
    phase_ = Phase::kExtension;
    return true;
  }
  if (c != ' ' && c != '\t') return fail("chunk size is not a number");
  if (extension_bytes_ == kChunkExtensionBytesMax) return fail("too many chunk extensions");
  ++extension_bytes_;
  at.skip(1);
  return true;
}

bool BodyTracker::step_extension(Cursor& at) noexcept {
  const auto size =
      static_cast<std::size_t>(find_value_end(at.begin(), at.position(), at.end()) - at.position());
  if (size > kChunkExtensionBytesMax - extension_bytes_) return fail("too many chunk extensions");
  extension_bytes_ += static_cast<std::uint32_t>(size);
  at.skip(size);
  return at.at_end() || expect(at, '\r', data_only(), Phase::kSizeLf);
}

bool BodyTracker::step_data(Cursor& at) noexcept {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, at.left()));
  if (!at.keep(size)) return false;
  left_ -= size;
  data_bytes_ += size;
  if (left_ == 0) phase_ = Phase::kDataCr;
  return true;
}

bool BodyTracker::step_trailer_start(Cursor& at) noexcept {
  const char c = at.front();
  if (c == '\r') return expect(at, '\r', data_only(), Phase::kEndLf);
  if (!is_token_char(c)) return fail("trailer line begins with no name");
  if (trailers_ == kTrailerCountMax) return fail("too many trailer fields");
  ++trailers_;
  name_size_ = 0;
  phase_ = Phase::kTrailerName;
  return true;
}

// The name waits in small_ until it is known whether the field goes out. One that does not fit is
// cut only if it begins as one of the X-Forwarded- family.
bool BodyTracker::step_trailer_name(Cursor& at) noexcept {
  const char c = at.front();
  if (c != ':' && !is_token_char(c)) return fail("bad character in trailer name");
  if (trailer_bytes_ == kTrailerBytesMax) return fail("trailer section too long");
  if (phase_ == Phase::kTrailerLongName) {
    if (!at.take(1, trailer_cut_)) return false;
    ++trailer_bytes_;
    if (c == ':') phase_ = Phase::kTrailerValue;
    return true;
  }
  const bool complete = c == ':';
  const bool too_long = name_size_ + 1U == kNameBytes;
  if (complete || too_long) {
    const std::string_view name(small_.data(), name_size_);
    trailer_cut_ =
        data_only() || output_ == BodyOutput::kNoTrailers || is_cut_from_trailers(name, complete);
    in_grpc_status_ = complete && equals_ignore_case(name, "grpc-status");
    if (in_grpc_status_) grpc_status_.begin();
    if (!trailer_cut_ && at.has_run()) return false;
  }
  small_[name_size_++] = c;
  at.skip(1);
  ++trailer_bytes_;
  if (!complete && !too_long) return true;
  phase_ = complete ? Phase::kTrailerValue : Phase::kTrailerLongName;
  if (trailer_cut_) return true;
  at.send(std::string_view(small_.data(), name_size_));
  return false;
}

bool BodyTracker::step_trailer_value(Cursor& at) noexcept {
  const auto size =
      static_cast<std::size_t>(find_value_end(at.begin(), at.position(), at.end()) - at.position());
  if (size > kTrailerBytesMax - trailer_bytes_) return fail("trailer section too long");
  const std::string_view piece(at.position(), size);
  if (size != 0 && !at.take(size, trailer_cut_)) return false;
  if (in_grpc_status_) grpc_status_.add(piece);
  trailer_bytes_ += static_cast<std::uint32_t>(size);
  return at.at_end() || expect(at, '\r', trailer_cut_, Phase::kTrailerLf);
}

}  // namespace canaryd::http
