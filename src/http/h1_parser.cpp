#include "canaryd/http/h1_parser.hpp"

#include "canaryd/base/error.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/framing.hpp"
#include "http/field_names.hpp"
#include "http/scan.hpp"

#include <algorithm>
#include <cstring>

namespace canaryd::http {
namespace {

constexpr std::uint32_t kVersionBytes = 8;  // "HTTP/1.1"

// What a look at the end of a line can say.
enum class LineEnd : std::uint8_t { kWhole, kPartial, kBad };

LineEnd line_end(const char* at, const char* end) noexcept {
  if (at == end) return LineEnd::kPartial;
  if (*at != '\r') return LineEnd::kBad;
  if (at + 1 == end) return LineEnd::kPartial;
  return at[1] == '\n' ? LineEnd::kWhole : LineEnd::kBad;
}

// "HTTP/" DIGIT "." DIGIT; both digits out. Needs kVersionBytes bytes.
bool read_version(const char* at, char& major, char& minor) noexcept {
  major = at[5];
  minor = at[7];
  return std::memcmp(at, "HTTP/", 5) == 0 && is_digit(major) && at[6] == '.' && is_digit(minor);
}

bool is_supported(char major) noexcept {
  return major == '1';
}

// RFC 9110 section 2.5: a higher minor version is taken for the highest that is known.
std::uint8_t known_minor(char minor) noexcept {
  return minor == '0' ? 0 : 1;
}

bool ends_line(const char* at, const char* end) noexcept {
  return end - at >= 2 && std::memcmp(at, "\r\n", 2) == 0;
}

// That of nearly all responses.
constexpr std::string_view kUsualStatusLine = "HTTP/1.1 200 OK\r\n";

bool is_usual_status_line(const char* at, const char* end) noexcept {
  return static_cast<std::size_t>(end - at) >= kUsualStatusLine.size() &&
         std::memcmp(at, kUsualStatusLine.data(), kUsualStatusLine.size()) == 0;
}

bool ends_in_usual_version(const char* at, const char* end) noexcept {
  return end - at >= kVersionBytes + 2 && std::memcmp(at, "HTTP/1.1\r\n", kVersionBytes + 2) == 0;
}

std::string_view text_between(const char* from, const char* to) noexcept {
  return {from, static_cast<std::size_t>(to - from)};
}

// Without the blanks at both ends; nothing else below '!' is left in a value by then. What stands
// at `to`, the end of the line, is looked at.
[[gnu::always_inline]] inline std::string_view value_behind(const char* colon,
                                                            const char* to) noexcept {
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  const char* from = colon + 1;
  if (*from == ' ') ++from;
  if (blank(*from)) [[unlikely]] {
    while (from != to && blank(*from)) ++from;
    if (from == to) return text_between(to, to);
  }
  while (blank(to[-1])) --to;
  return text_between(from, to);
}

std::uint32_t distance(const char* from, const char* to) noexcept {
  return static_cast<std::uint32_t>(to - from);
}

}  // namespace

namespace detail {

void HeadParser::reset() noexcept {
  base_ = nullptr;
  line_ = scanned_ = colon_ = 0;
  started_ = false;
  empty_lines_ = 0;
  refused_ = {};
}

HeadParser::Line HeadParser::bad(Refusal why, const char* detail) noexcept {
  const bool response = default_refusal_ == Refusal::kUpstreamProtocol;
  refused_ = {response ? default_refusal_ : why, detail};
  return Line::kBad;
}

ParseState HeadParser::fail(Refusal why, const char* detail) noexcept {
  bad(why, detail);
  return ParseState::kError;
}

const char* HeadParser::resume(const char* at) const noexcept {
  return std::max(at, base_ + scanned_);
}

HeadParser::Line HeadParser::partial(const char* at) noexcept {
  scanned_ = distance(base_, at);
  return Line::kPartial;
}

HeadParser::Line HeadParser::parsed(const char* next) noexcept {
  line_ = scanned_ = distance(base_, next);
  colon_ = 0;
  return Line::kParsed;
}

template <class Head, class StartLine>
ParseState HeadParser::run(std::string_view input, Head& head, StartLine&& start_line) {
  if (refused_) return ParseState::kError;
  if (base_ == nullptr) {
    head.clear();
  } else if (base_ != input.data()) {
    head.rebase(base_, input.data());
  }
  base_ = input.data();
  const bool at_limit = input.size() >= limits_.head_bytes;
  input = {input.data(), std::min<std::size_t>(input.size(), limits_.head_bytes)};

  const char* const end = input.data() + input.size();
  Line line = Line::kParsed;
  while (!started_ && line == Line::kParsed) line = start_line(input.data() + line_, end);
  if (line == Line::kParsed) line = parse_fields(end, head.fields);
  switch (line) {
    case Line::kPartial:
      if (at_limit) return fail(Refusal::kHeadersTooLarge, "head too long");
      return ParseState::kNeedMore;
    case Line::kBad:
      return ParseState::kError;
    case Line::kParsed:
    case Line::kEnd:
      break;
  }
  head.size = line_;
  return ParseState::kDone;
}

HeadParser::Line HeadParser::parse_fields(const char* end, FieldList& fields) {
  Line line = Line::kParsed;
  while (line == Line::kParsed) {
    // A line that was begun before is gone on with: no byte is looked at again and again.
    if (scanned_ <= line_) take_plain_lines(end, fields);
    // Nearly always nothing but the end of the head is left.
    line = ends_line(base_ + line_, end) ? end_head(base_ + line_, end) : parse_line(end, fields);
  }
  return line;
}

// Lines as nearly all are: letters, digits and '-', a colon, a value, CRLF. Stops before the first
// that is not, that is not all there, or for which the list has no place: of that one nothing has
// been decided here. It calls nothing, so that what it needs stays in registers.
void HeadParser::take_plain_lines(const char* end, FieldList& fields) noexcept {
  const char* const base = base_;
  // So little has no whole line behind its start line; and so the scans need not ask.
  if (end - base < kBlockBytes) return;
  const char* line = base + line_;
  FieldList::Appender out(fields, limits_.field_count);
  while (out.has_room()) {
    const char* const colon = skip_plain_name(base, line, end);
    if (colon == end || *colon != ':' || colon == line) break;
    const char* at = skip_plain_value(base, colon + 1, end);
    if (!ends_line(at, end)) [[unlikely]] {
      at = find_value_end(base, at, end);
      if (!ends_line(at, end)) break;
    }
    const std::string_view name = text_between(line, colon);
    const char* const next = at + 2;
    out.add(name, value_behind(colon, at), distance(line, next), detail::recognise(name, end));
    line = next;
  }
  out.finish();
  parsed(line);
}

// Any line, whole or not.
HeadParser::Line HeadParser::parse_line(const char* end, FieldList& fields) {
  const char* const line = base_ + line_;
  if (line != end && *line == '\r') return end_head(line, end);
  if (colon_ == 0) {
    const Line found = find_colon(line, end, fields);
    if (found != Line::kParsed) return found;
  }
  const char* const colon = base_ + colon_;
  const char* const at = find_value_end(base_, resume(colon + 1), end);
  if (!ends_line(at, end)) {
    if (line_end(at, end) == LineEnd::kPartial) return partial(at);
    return bad(Refusal::kBadRequest, "control character in field value");
  }
  if (fields.size() >= limits_.field_count) {
    return bad(Refusal::kHeadersTooLarge, "too many fields");
  }
  const std::string_view name = text_between(line, colon);
  fields.add({name, value_behind(colon, at), distance(line, at + 2), detail::recognise(name, end)});
  return parsed(at + 2);
}

// Behind a name of any token characters.
HeadParser::Line HeadParser::find_colon(const char* line, const char* end, FieldList& fields) {
  const char* at = skip_plain_name(base_, resume(line), end);
  if (at != end && *at != ':') {
    fields.note_odd_name();
    while (at != end && is_token_char(*at)) ++at;
  }
  if (at == end) return partial(at);
  if (at == line) return bad(Refusal::kBadRequest, "field line begins with no name");
  if (*at != ':') return bad(Refusal::kBadRequest, "bad character in field name");
  colon_ = distance(base_, at);
  return Line::kParsed;
}

HeadParser::Line HeadParser::end_head(const char* line, const char* end) noexcept {
  const LineEnd last = line_end(line, end);
  if (last == LineEnd::kPartial) return partial(line);
  if (last == LineEnd::kBad) return bad(Refusal::kBadRequest, "bare CR");
  line_ += 2;
  return Line::kEnd;
}

}  // namespace detail

RequestParser::RequestParser(const HeadLimits& limits) noexcept : HeadParser(limits) {}

ParseState RequestParser::parse(std::string_view input, RequestHead& head) {
  const auto state = run(input, head, [&](const char* begin, const char* end) {
    return parse_request_line(begin, end, head);
  });
  if (state != ParseState::kDone) return state;
  refused_ = frame_request(head);
  return refused_ ? ParseState::kError : ParseState::kDone;
}

RequestParser::Line RequestParser::parse_request_line(const char* begin,
                                                      const char* end,
                                                      RequestHead& head) {
  if (begin == end) return Line::kPartial;
  if (*begin == '\r') {
    const LineEnd empty = line_end(begin, end);
    if (empty == LineEnd::kPartial) return Line::kPartial;
    if (empty == LineEnd::kBad) return bad(Refusal::kBadRequest, "bare CR");
    if (++empty_lines_ > kEmptyLinesMax) return bad(Refusal::kBadRequest, "too many empty lines");
    return parsed(begin + 2);
  }
  // Of nearly all.
  const bool get = end - begin >= 4 && std::memcmp(begin, "GET ", 4) == 0;
  const char* at = get ? begin + 3 : begin;
  while (at != end && is_token_char(*at)) ++at;
  // RFC 9112 section 3: longer than any method that is implemented.
  if (at - begin > kMethodBytesMax) return bad(Refusal::kNotImplemented, "method too long");
  if (at == end) return Line::kPartial;
  if (at == begin || *at != ' ') return bad(Refusal::kBadRequest, "bad method");
  // Known from here on: a refusal of what comes behind it is answered without content to HEAD (RFC
  // 9110 section 9.3.2).
  head.method_text = std::string_view(begin, static_cast<std::size_t>(at - begin));
  head.method = get ? Method::kGet : parse_method(head.method_text);

  const char* const target = ++at;
  at = find_target_end(base_, resume(target), end);
  if (at - target > limits_.target_bytes) return bad(Refusal::kTargetTooLong, "target too long");
  if (at == end) return partial(at);
  if (at == target || *at != ' ') return bad(Refusal::kBadRequest, "bad target");
  const std::string_view target_text(target, static_cast<std::size_t>(at - target));

  ++at;
  if (end - at < kVersionBytes) return Line::kPartial;
  char major = '1';
  char minor = '1';
  if (!ends_in_usual_version(at, end)) {
    if (!read_version(at, major, minor)) return bad(Refusal::kBadRequest, "bad version");
    if (!is_supported(major)) return bad(Refusal::kVersionNotSupported, "version");
    const LineEnd ending = line_end(at + kVersionBytes, end);
    if (ending == LineEnd::kPartial) return Line::kPartial;
    if (ending == LineEnd::kBad) return bad(Refusal::kBadRequest, "request line does not end here");
  }
  at += kVersionBytes;

  head.target = target_text;
  head.version_minor = known_minor(minor);
  started_ = true;
  return parsed(at + 2);
}

ResponseParser::ResponseParser(const HeadLimits& limits) noexcept : HeadParser(limits) {
  default_refusal_ = Refusal::kUpstreamProtocol;
}

ParseState ResponseParser::parse(std::string_view input,
                                 Method request_method,
                                 ResponseHead& head) {
  const auto state = run(input, head, [&](const char* begin, const char* end) {
    return parse_status_line(begin, end, head);
  });
  if (state != ParseState::kDone) return state;
  refused_ = frame_response(head, request_method);
  return refused_ ? ParseState::kError : ParseState::kDone;
}

ResponseParser::Line ResponseParser::parse_status_line(const char* begin,
                                                       const char* end,
                                                       ResponseHead& head) {
  constexpr std::uint32_t kStatusBytes = 4;  // " 200"
  if (is_usual_status_line(begin, end)) {
    head.status = 200;
    head.reason = std::string_view(begin + kVersionBytes + kStatusBytes + 1, 2);
    head.version_minor = 1;
    started_ = true;
    return parsed(begin + kUsualStatusLine.size());
  }
  if (begin != end && *begin != 'H') return bad(Refusal::kBadRequest, "not a status line");
  if (end - begin < kVersionBytes + kStatusBytes) return Line::kPartial;
  char major = 0;
  char minor = 0;
  if (!read_version(begin, major, minor)) return bad(Refusal::kBadRequest, "bad version");
  if (!is_supported(major)) return bad(Refusal::kBadRequest, "version");
  const char* at = begin + kVersionBytes;
  if (at[0] != ' ' || !is_digit(at[1]) || !is_digit(at[2]) || !is_digit(at[3])) {
    return bad(Refusal::kBadRequest, "bad status code");
  }
  const int status = (at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0');
  if (status < 100 || status > 599) return bad(Refusal::kBadRequest, "status code out of range");
  at += kStatusBytes;
  // Some servers leave away the space before an empty reason; nothing is ambiguous about it.
  if (at != end && *at != ' ' && *at != '\r') return bad(Refusal::kBadRequest, "bad status code");
  if (at != end && *at == ' ') ++at;
  const char* const reason = at;
  at = find_value_end(base_, resume(reason), end);
  const LineEnd ending = line_end(at, end);
  if (ending == LineEnd::kPartial) return partial(at);
  if (ending == LineEnd::kBad) return bad(Refusal::kBadRequest, "control character in reason");

  head.status = static_cast<std::uint16_t>(status);
  head.reason = std::string_view(reason, static_cast<std::size_t>(at - reason));
  head.version_minor = known_minor(minor);
  started_ = true;
  return parsed(at + 2);
}

}  // namespace canaryd::http
