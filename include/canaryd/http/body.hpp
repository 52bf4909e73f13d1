// Follows one body through the proxy: fed with what was received, it says which runs of bytes go
// out.
//
// Content-Length is a counter, until-close a pass-through, chunked a strict state machine (RFC 9112
// section 7.1). Chunked bodies go out chunked as runs of the input: chunk after chunk in one slice
// as long as nothing has to be cut. Cut are chunk extensions and those trailer fields that would
// frame, route or authenticate (RFC 9110 section 6.5.1). Nothing is buffered but the name of a
// trailer field that arrives in pieces. Sizes: at most 16 hexadecimal digits. Thread rule: one
// owner. Pure.
#pragma once

#include "canaryd/http/grpc.hpp"
#include "canaryd/http/message.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace canaryd::http {

enum class BodyOutput : std::uint8_t {
  kAsIs,        // Length stays length, chunked stays chunked.
  kNoTrailers,  // The same, without trailer fields.
  kData,        // Data only: for a receiver that does not know chunked.
  kChunked,     // Until-close made chunked; the others as they are.
};

enum class BodyState : std::uint8_t { kMore, kComplete, kError };

struct BodyStep {
  std::size_t consumed = 0;  // Bytes of the input that are done with.
  // To be sent, before anything of a later step. A run of the input, or of the tracker (valid until
  // its next call).
  std::string_view forward;
  BodyState state = BodyState::kMore;
};

inline constexpr std::uint32_t kChunkExtensionBytesMax =
    16 * 1024;  // Of one body, all chunks together.
inline constexpr std::uint32_t kTrailerBytesMax = 8 * 1024;
inline constexpr std::uint32_t kTrailerCountMax = 64;

class BodyTracker {
 public:
  BodyTracker() noexcept = default;  // No body: complete at once.
  explicit BodyTracker(const BodyFraming& framing, BodyOutput output = BodyOutput::kAsIs) noexcept {
    start(framing, output);
  }
  // Another body, from its beginning.
  void start(const BodyFraming& framing, BodyOutput output) noexcept;

  // Call again with input.substr(consumed) until that is empty or the state is not kMore. A step
  // always consumes or forwards something unless the input is empty. Bytes behind a complete body
  // belong to the next message.
  [[nodiscard]] BodyStep next(std::string_view input) noexcept;
  // The sender closed. Completes an until-close body (there may be last bytes to forward); anything
  // else that is not complete was cut off: kError.
  [[nodiscard]] BodyStep finish() noexcept;

  [[nodiscard]] bool complete() const noexcept { return phase_ == Phase::kComplete; }
  [[nodiscard]] bool failed() const noexcept { return phase_ == Phase::kFailed; }
  // A static text, after kError.
  [[nodiscard]] const char* error() const noexcept { return error_; }
  // Bytes of data seen so far, without any framing.
  [[nodiscard]] std::uint64_t data_bytes() const noexcept { return data_bytes_; }
  // Of the trailers seen so far; only where the body is chunked.
  [[nodiscard]] std::optional<std::uint8_t> grpc_status() const noexcept {
    return grpc_status_.status();
  }
  // More than `max` bytes of data have come, or will by the size of the chunk that has begun.
  [[nodiscard]] bool exceeds(std::uint64_t max) const noexcept {
    return data_bytes_ > max || (phase_ == Phase::kData && left_ > max - data_bytes_);
  }

 private:
  enum class Phase : std::uint8_t {
    kLength,
    kUntilClose,
    kWrapSize,  // Making chunks: the size line comes next.
    kWrapData,
    kSizeFirst,  // Reading chunks, from here on.
    kSize,
    kSizeSpace,  // Behind the size; only an extension may follow it.
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerLongName,
    kTrailerValue,
    kTrailerLf,
    kEndLf,
    kComplete,
    kFailed,
  };
  class Cursor;

  BodyStep next_run(std::string_view input) noexcept;
  BodyStep next_wrapped(std::string_view input) noexcept;
  BodyStep next_chunked(std::string_view input) noexcept;
  bool step(Cursor& at) noexcept;
  bool step_size(Cursor& at) noexcept;
  bool step_size_space(Cursor& at) noexcept;
  bool step_extension(Cursor& at) noexcept;
  bool step_data(Cursor& at) noexcept;
  bool step_trailer_start(Cursor& at) noexcept;
  bool step_trailer_name(Cursor& at) noexcept;
  bool step_trailer_value(Cursor& at) noexcept;
  bool expect(Cursor& at, char wanted, bool cut, Phase then) noexcept;
  bool fail(const char* why) noexcept;
  [[nodiscard]] bool data_only() const noexcept { return output_ == BodyOutput::kData; }

  // Longer than any name that is cut, but for those of a family.
  static constexpr std::size_t kNameBytes = 24;

  Phase phase_ = Phase::kComplete;
  BodyOutput output_ = BodyOutput::kAsIs;
  std::uint8_t digits_ = 0;
  std::uint8_t name_size_ = 0;
  std::uint8_t trailers_ = 0;
  bool first_chunk_ = true;      // Of those we make.
  bool trailer_cut_ = false;     // The trailer field being read does not go out.
  bool in_grpc_status_ = false;  // It is that field.
  GrpcStatusReader grpc_status_;
  std::uint64_t left_ = 0;      // Of the length, the chunk, or the size being read.
  std::uint64_t promised_ = 0;  // Data bytes of the chunk whose size line we sent.
  std::uint64_t data_bytes_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  const char* error_ = "";
  std::array<char, kNameBytes> small_{};
};

}  // namespace canaryd::http
