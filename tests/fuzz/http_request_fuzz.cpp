// A request head: any pieces give one result; a liberal server reads the same in what we accept,
// and in what we forward of it, and so do we, a hop further.
#include "canaryd/base/error.hpp"
#include "canaryd/http/forwarding.hpp"
#include "canaryd/http/uri.hpp"
#include "canaryd/http/websocket.hpp"
#include "fuzz/forwarded_fields.hpp"
#include "fuzz/fuzz_target.hpp"
#include "unit/http/http_support.hpp"

#include <string>

using namespace canaryd::http;
using canaryd::fuzz::count_of;
using canaryd::fuzz::end_to_end;
using canaryd::fuzz::fields_of;
using canaryd::fuzz::PlainFields;
using canaryd::fuzz::PlainHead;
using canaryd::fuzz::PlainReader;

namespace {

constexpr int kHops = 2;
// Forwarding adds fields of its own, the host once more, and a blank to each field.
constexpr std::size_t kGrowth = 1024 + 2 * kHostBytesMax;

void check_liberal_reading(std::string_view text, const RequestHead& head) {
  const PlainHead plain = PlainReader(text).head();
  CANARYD_ASSERT(plain.complete && plain.size == head.size);
  CANARYD_ASSERT(plain.words.size() == 3);
  CANARYD_ASSERT(plain.words[0] == head.method_text && plain.words[1] == head.target);
  CANARYD_ASSERT(plain.words[2].starts_with("HTTP/1."));
  CANARYD_ASSERT((plain.words[2] == "HTTP/1.0") == (head.version_minor == 0));
  CANARYD_ASSERT(plain.fields == fields_of(head.fields));
}

// Also as a server knows them that makes no difference between '-' and '_'.
void check_unique(const PlainFields& fields, bool trusted) {
  PlainFields variables = fields;
  std::size_t family = 0;
  for (auto& field : variables) {
    field.name = canaryd::fuzz::variable_name(field.name);
    family += field.name.starts_with("x-forwarded-") ? 1U : 0U;
  }
  CANARYD_ASSERT(count_of(variables, "host") == 1);
  CANARYD_ASSERT(count_of(variables, "x-canaryd-cohort") == 1);
  CANARYD_ASSERT(count_of(variables, "x-canaryd-rollout") == 0);
  CANARYD_ASSERT(count_of(variables, "x-forwarded-for") == 1);
  CANARYD_ASSERT(count_of(fields, "x-request-id") == 1);
  CANARYD_ASSERT(count_of(variables, "content-length") + count_of(variables, "transfer-encoding") <=
                 1);
  if (!trusted) CANARYD_ASSERT(family == 3 && count_of(variables, "forwarded") == 0);
}

void check_forwarding(const RequestHead& head, bool trusted, int hops) {
  std::string scratch(target_scratch_bytes(head), ' ');
  Target target;
  if (parse_target(head, {}, scratch, target)) return;
  RequestForwarding forwarding;
  forwarding.target = target.forwarded;
  forwarding.authority = target.authority.empty() ? "fallback" : target.authority;
  forwarding.client_ip = "192.0.2.1";

  forwarding.request_id = "fresh";
  forwarding.cohort = canaryd::Cohort::kStable;
  forwarding.websocket = offers_websocket(head);
  forwarding.peer_trusted = trusted;
  std::string storage(head.size + kGrowth, ' ');
  HeadBuffer out(storage);
  write_request_head(out, head, forwarding);
  CANARYD_ASSERT(!out.overflowed());

  HeadLimits wide;
  wide.head_bytes = 1 << 20;
  const auto again = test::parse_request(out.view(), wide);
  const RequestHead& next = again->head;
  CANARYD_ASSERT(again->state == ParseState::kDone && next.size == out.size());
  check_liberal_reading(out.view(), next);
  CANARYD_ASSERT(next.method_text == head.method_text && next.version_minor == 1);
  CANARYD_ASSERT(next.target == target.forwarded && next.host == forwarding.authority);
  CANARYD_ASSERT(next.framing == head.framing);
  CANARYD_ASSERT(next.expect_continue == head.expect_continue);
  CANARYD_ASSERT(offers_websocket(next) == forwarding.websocket && next.keep_alive);
  const PlainFields before = fields_of(head.fields);
  const PlainFields after = fields_of(next.fields);
  CANARYD_ASSERT(end_to_end(after) == end_to_end(before));
  CANARYD_ASSERT(count_of(after, "via") == count_of(before, "via") + 1);
  check_unique(after, trusted);
  // The next hop believes us.
  if (hops > 1) check_forwarding(next, true, hops - 1);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = canaryd::fuzz::text_of(data, size);
  HeadLimits limits;
  limits.head_bytes = 2048;
  limits.target_bytes = 256;
  limits.field_count = 32;
  const auto whole = test::parse_request(text, limits);
  CANARYD_ASSERT(test::outcome_in_pieces(text, 1, limits) == whole->outcome());
  CANARYD_ASSERT(test::outcome_in_pieces(text, 1 + size % 23, limits) == whole->outcome());
  if (whole->state != ParseState::kDone) return 0;
  check_liberal_reading(text, whole->head);
  check_forwarding(whole->head, false, kHops);
  check_forwarding(whole->head, true, 1);
  return 0;
}
