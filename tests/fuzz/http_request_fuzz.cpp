// A request head: any pieces give one result, and what we forward of it we would accept ourselves,
// framed alike.
#include "canaryd/base/error.hpp"
#include "canaryd/http/forwarding.hpp"
#include "canaryd/http/uri.hpp"
#include "fuzz/fuzz_target.hpp"
#include "unit/http/http_support.hpp"

#include <string>

using namespace canaryd::http;

namespace {

void check_forwarding(const RequestHead& head) {
  std::string scratch(target_scratch_bytes(head), ' ');
  Target target;
  if (parse_target(head, {}, scratch, target)) return;
  RequestForwarding forwarding;
  forwarding.target = target.forwarded;
  forwarding.authority = target.authority.empty() ? "fallback" : target.authority;
  forwarding.client_ip = "192.0.2.1";
  forwarding.scheme = "http";
  forwarding.request_id = "fresh";
  forwarding.cohort = "stable";
  forwarding.peer_trusted = head.fields.size() % 2 == 0;
  std::string storage(head.size + 1024, ' ');
  HeadBuffer out(storage);
  write_request_head(out, head, forwarding);
  CANARYD_ASSERT(!out.overflowed());

  HeadLimits wide;
  wide.head_bytes = 1 << 20;
  const auto again = test::parse_request(out.view(), wide);
  CANARYD_ASSERT(again->state == ParseState::kDone);
  CANARYD_ASSERT(again->head.size == out.size());
  CANARYD_ASSERT(again->head.framing == head.framing);
  CANARYD_ASSERT(again->head.target == target.forwarded);
  CANARYD_ASSERT(again->head.fields.count(FieldId::kXCanarydCohort) == 1);
  CANARYD_ASSERT(again->head.fields.count(FieldId::kXForwardedFor) == 1);
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
  if (whole->state == ParseState::kDone) check_forwarding(whole->head);
  return 0;
}
