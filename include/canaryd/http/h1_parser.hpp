// Strict, in-place, single-pass parser of HTTP/1.0 and HTTP/1.1 heads (RFC 9112 sections 2 to 5).
//
// Call parse() with everything received so far of one message. kNeedMore: call again with the same
// bytes and more behind them; they may lie elsewhere by then, the views follow. Work is linear in
// the input even if it comes byte by byte, and the result is the same however it is cut. Accepted
// is the grammar and nothing else: CRLF only, one space where the grammar has one, no whitespace
// around names, no folding, no control characters. A head that is done has also passed framing.hpp.
// After kDone or kError call reset() before the next message. Thread rule: one owner.
#pragma once

#include "canaryd/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canaryd::http {

struct HeadLimits {
  std::uint32_t head_bytes = 64 * 1024;
  std::uint32_t field_count = 256;
  std::uint32_t target_bytes = 16 * 1024;
};

// What upstreams may answer with: they are fewer, and what they send has been asked for. With what
// is added to it a head fits into a large block.
inline constexpr HeadLimits kResponseLimits{.head_bytes = 240 * 1024, .field_count = 1000};

// RFC 9112 section 2.2 asks for at least one empty line before a request to be passed over.
inline constexpr unsigned kEmptyLinesMax = 2;
inline constexpr std::uint32_t kMethodBytesMax = 32;

enum class ParseState : std::uint8_t { kNeedMore, kDone, kError };

namespace detail {

// What both parsers share: lines, fields, limits, resuming.
class HeadParser {
 public:
  explicit HeadParser(const HeadLimits& limits) noexcept : limits_(limits) {}

  void reset() noexcept;
  // After kError: why.
  [[nodiscard]] const Refused& refused() const noexcept { return refused_; }

 protected:
  enum class Line : std::uint8_t { kParsed, kPartial, kEnd, kBad };

  template <class Head, class StartLine>
  ParseState run(std::string_view input, Head& head, StartLine&& start_line);
  Line parse_fields(const char* end, FieldList& fields);
  void take_plain_lines(const char* end, FieldList& fields) noexcept;
  Line parse_line(const char* end, FieldList& fields);
  Line find_colon(const char* line, const char* end, FieldList& fields);
  Line end_head(const char* line, const char* end) noexcept;
  Line bad(Refusal why, const char* detail) noexcept;
  ParseState fail(Refusal why, const char* detail) noexcept;
  // Goes on where the last look at this line stopped, if that was behind `at`.
  [[nodiscard]] const char* resume(const char* at) const noexcept;
  // The line has no end yet; everything before `at` need not be looked at again.
  Line partial(const char* at) noexcept;
  // The line ended before `next`.
  Line parsed(const char* next) noexcept;

  HeadLimits limits_;
  const char* base_ = nullptr;    // Where the input was at the last call.
  std::uint32_t line_ = 0;        // Offset of the first line that is not parsed yet.
  std::uint32_t scanned_ = 0;     // Where the last look at that line stopped.
  std::uint32_t colon_ = 0;       // Offset of its colon, once found.
  bool started_ = false;          // The start line is parsed.
  std::uint8_t empty_lines_ = 0;  // Before the start line.
  Refusal default_refusal_ = Refusal::kBadRequest;
  Refused refused_;
};

}  // namespace detail

class RequestParser : private detail::HeadParser {
 public:
  explicit RequestParser(const HeadLimits& limits = {}) noexcept;

  [[nodiscard]] ParseState parse(std::string_view input, RequestHead& head);
  // Between two messages.
  void set_limits(const HeadLimits& limits) noexcept { limits_ = limits; }
  using detail::HeadParser::refused;
  using detail::HeadParser::reset;

 private:
  Line parse_request_line(const char* begin, const char* end, RequestHead& head);
};

class ResponseParser : private detail::HeadParser {
 public:
  explicit ResponseParser(const HeadLimits& limits = kResponseLimits) noexcept;

  // The method of the request decides whether there is a body.
  [[nodiscard]] ParseState parse(std::string_view input, Method request_method, ResponseHead& head);
  using detail::HeadParser::refused;
  using detail::HeadParser::reset;

 private:
  Line parse_status_line(const char* begin, const char* end, ResponseHead& head);
};

}  // namespace canaryd::http
