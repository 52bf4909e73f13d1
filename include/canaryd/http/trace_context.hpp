// W3C Trace Context (Recommendation of 23 November 2021): reading `traceparent`, and making one.
//
// canaryd exports no spans. So it passes a valid traceparent, and tracestate with it, as they came:
// a parent id of its own would name a span that nobody ever sees, and break the trace in two. Where
// there is none it may start a trace (config `tracing`). Pure; any thread; no allocation.
#pragma once

#include "canaryd/base/random.hpp"
#include "canaryd/http/message.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace canaryd::http {

struct TraceParent {
  std::string_view trace_id;   // 32 lower-case digits, not all of them 0.
  std::string_view parent_id;  // 16.
  bool sampled = false;
};

// Section 3.2. Nothing is guessed: upper case, a version ff, an id of zeros, and more text than
// version 00 has, make it invalid. A version that is not known yet is read by its beginning, which
// no later version may change (section 3.2.4). Views into `value`.
[[nodiscard]] std::optional<TraceParent> parse_traceparent(std::string_view value) noexcept;

// Of a request: invalid as well when there is more than one field (section 3.2.1).
[[nodiscard]] std::optional<TraceParent> trace_parent(const FieldList& fields) noexcept;

// A trace that begins here: version 00, random ids.
class FreshTraceParent {
 public:
  FreshTraceParent() noexcept = default;
  FreshTraceParent(Random& random, bool sampled) noexcept;

  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), text_.size()}; }
  [[nodiscard]] std::string_view trace_id() const noexcept { return text().substr(3, 32); }

 private:
  std::array<char, 55> text_{};
};

}  // namespace canaryd::http
