#include "canaryd/http/trace_context.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace canaryd::http {
namespace {

constexpr std::size_t kTraceIdAt = 3;
constexpr std::size_t kTraceIdSize = 32;
constexpr std::size_t kParentIdAt = kTraceIdAt + kTraceIdSize + 1;
constexpr std::size_t kParentIdSize = 16;
constexpr std::size_t kFlagsAt = kParentIdAt + kParentIdSize + 1;
constexpr std::size_t kSize = kFlagsAt + 2;
constexpr std::string_view kDigits = "0123456789abcdef";

bool is_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool is_zero(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

char* put_hex(char* to, std::uint64_t bits) noexcept {
  for (unsigned shift = 64; shift > 0;) {
    shift -= 4;
    *to++ = kDigits[bits >> shift & 0xfU];
  }
  return to;
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view value) noexcept {
  if (value.size() < kSize) return std::nullopt;
  const std::string_view version = value.substr(0, 2);
  const std::string_view flags = value.substr(kFlagsAt, 2);
  TraceParent parent;
  parent.trace_id = value.substr(kTraceIdAt, kTraceIdSize);
  parent.parent_id = value.substr(kParentIdAt, kParentIdSize);
  if (value[kTraceIdAt - 1] != '-' || value[kParentIdAt - 1] != '-' || value[kFlagsAt - 1] != '-') {
    return std::nullopt;
  }
  if (!is_hex(version) || !is_hex(parent.trace_id) || !is_hex(parent.parent_id) || !is_hex(flags)) {
    return std::nullopt;
  }
  if (version == "ff" || is_zero(parent.trace_id) || is_zero(parent.parent_id)) return std::nullopt;
  if (value.size() > kSize && (version == "00" || value[kSize] != '-')) return std::nullopt;
  parent.sampled = kDigits.find(flags[1]) % 2 == 1;
  return parent;
}

std::optional<TraceParent> trace_parent(const FieldList& fields) noexcept {
  if (!fields.has(FieldId::kTraceparent) || fields.count(FieldId::kTraceparent) != 1) {
    return std::nullopt;
  }
  return parse_traceparent(fields.value(FieldId::kTraceparent));
}

FreshTraceParent::FreshTraceParent(Random& random, bool sampled) noexcept {
  // Not 0, neither of them.
  const std::uint64_t high = random.next() | 1U;
  const std::uint64_t low = random.next();
  const std::uint64_t parent = random.next() | 1U;
  char* at = text_.data();
  *at++ = '0';
  *at++ = '0';
  *at++ = '-';
  at = put_hex(put_hex(at, high), low);
  *at++ = '-';
  at = put_hex(at, parent);
  *at++ = '-';
  *at++ = '0';
  *at = sampled ? '1' : '0';
}

}  // namespace canaryd::http
