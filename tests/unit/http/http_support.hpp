// Short ways to parse a text in one piece, byte by byte, or with the buffer moving, and to see what
// came of it.
#pragma once

#include "canaryd/http/body.hpp"
#include "canaryd/http/h1_parser.hpp"
#include "canaryd/http/message.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::http::test {

// Everything about a head that later code can see, as text: equal texts are equal heads.
inline std::string describe(const FieldList& fields, const BodyFraming& framing) {
  std::string text;
  for (const Field& field : fields) {
    text += std::string(field.name) + "=[" + std::string(field.value) + "]#" +
            std::to_string(static_cast<int>(field.id)) + "/" + std::to_string(field.line_size) +
            "\n";
  }
  text += "body " + std::to_string(static_cast<int>(framing.kind)) + " " +
          std::to_string(framing.length) + "\n";
  return text;
}

inline std::string describe(const RequestHead& head) {
  return std::string(head.method_text) + "|" + std::string(head.target) + "|1." +
         std::to_string(head.version_minor) + "|" + std::string(head.host) + "\n" +
         describe(head.fields, head.framing) + (head.keep_alive ? "keep " : "close ") +
         (head.expect_continue ? "expect " : "") + (head.upgrade ? "upgrade " : "") +
         (head.nominates ? "nominates " : "") + std::to_string(head.size);
}

inline std::string describe(const ResponseHead& head) {
  return std::to_string(head.status) + "|" + std::string(head.reason) + "|1." +
         std::to_string(head.version_minor) + "\n" + describe(head.fields, head.framing) +
         (head.keep_alive ? "keep " : "close ") + (head.nominates ? "nominates " : "") +
         std::to_string(head.size);
}

struct ParsedRequest {
  std::string text;  // The views point into it, so it stays where it is.
  ParseState state = ParseState::kNeedMore;
  Refused refused;
  RequestHead head;

  [[nodiscard]] std::string outcome() const {
    if (state == ParseState::kNeedMore) return "need more";
    if (state == ParseState::kDone) return describe(head);
    return "refused " + std::string(to_string(refused.why)) + ": " + refused.detail;
  }
};

inline std::unique_ptr<ParsedRequest> parse_request(std::string_view text,
                                                    const HeadLimits& limits = {}) {
  auto parsed = std::make_unique<ParsedRequest>();
  parsed->text = text;
  RequestParser parser(limits);
  parsed->state = parser.parse(parsed->text, parsed->head);
  parsed->refused = parser.refused();
  return parsed;
}

struct ParsedResponse {
  std::string text;
  ParseState state = ParseState::kNeedMore;
  Refused refused;
  ResponseHead head;

  [[nodiscard]] std::string outcome() const {
    if (state == ParseState::kNeedMore) return "need more";
    if (state == ParseState::kDone) return describe(head);
    return "refused " + std::string(to_string(refused.why)) + ": " + refused.detail;
  }
};

inline std::unique_ptr<ParsedResponse> parse_response(std::string_view text,
                                                      Method method = Method::kGet,
                                                      const HeadLimits& limits = {}) {
  auto parsed = std::make_unique<ParsedResponse>();
  parsed->text = text;
  ResponseParser parser(limits);
  parsed->state = parser.parse(parsed->text, method, parsed->head);
  parsed->refused = parser.refused();
  return parsed;
}

// Feeds growing prefixes, each in memory of its own, so that every view has to follow. `stride`
// bytes at a time.
inline std::string outcome_in_pieces(std::string_view text,
                                     std::size_t stride,
                                     const HeadLimits& limits = {}) {
  RequestParser parser(limits);
  RequestHead head;
  std::vector<char> before;
  for (std::size_t size = std::min(stride, text.size());;
       size = std::min(size + stride, text.size())) {
    std::vector<char> now(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    const auto state = parser.parse(std::string_view(now.data(), now.size()), head);
    before.swap(now);
    if (state == ParseState::kDone) return describe(head);
    if (state == ParseState::kError) {
      return "refused " + std::string(to_string(parser.refused().why)) + ": " +
             parser.refused().detail;
    }
    if (size == text.size()) return "need more";
  }
}

inline std::string response_outcome_in_pieces(std::string_view text,
                                              std::size_t stride,
                                              Method method = Method::kGet) {
  ResponseParser parser;
  ResponseHead head;
  std::vector<char> before;
  for (std::size_t size = std::min(stride, text.size());;
       size = std::min(size + stride, text.size())) {
    std::vector<char> now(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    const auto state = parser.parse(std::string_view(now.data(), now.size()), method, head);
    before.swap(now);
    if (state == ParseState::kDone) return describe(head);
    if (state == ParseState::kError) {
      return "refused " + std::string(to_string(parser.refused().why)) + ": " +
             parser.refused().detail;
    }
    if (size == text.size()) return "need more";
  }
}

struct TrackedBody {
  std::string forwarded;
  std::size_t consumed = 0;
  std::size_t runs = 0;
  BodyState state = BodyState::kMore;
};

// At most `stride` bytes at a time; stops when the body is complete or wrong.
inline TrackedBody track(BodyTracker& tracker, std::string_view input, std::size_t stride) {
  TrackedBody result;
  while (result.consumed < input.size() && result.state == BodyState::kMore) {
    std::string_view piece = input.substr(result.consumed, stride);
    while (!piece.empty() && result.state == BodyState::kMore) {
      const BodyStep step = tracker.next(piece);
      result.forwarded += step.forward;
      result.runs += step.forward.empty() ? 0U : 1U;
      result.state = step.state;
      result.consumed += step.consumed;
      piece.remove_prefix(step.consumed);
    }
  }
  return result;
}

}  // namespace canaryd::http::test
