// A response head: any pieces give one result, and what we forward of it we would accept ourselves,
// framed as planned.
#include "canaryd/base/error.hpp"
#include "canaryd/http/forwarding.hpp"
#include "fuzz/fuzz_target.hpp"
#include "unit/http/http_support.hpp"

#include <string>

using namespace canaryd::http;

namespace {

void check_forwarding(const ResponseHead& head, Method method) {
  SetCookie cookie;
  cookie.name = "id";
  cookie.value = "x";
  ResponseForwarding forwarding;
  forwarding.request_method = method;
  forwarding.client_version_minor = head.fields.size() % 2;
  forwarding.plan = plan_response(head, forwarding.client_version_minor, true);
  forwarding.cookie = &cookie;
  forwarding.cohort = "stable";
  std::string storage(head.size + 512, ' ');
  HeadBuffer out(storage);
  if (head.interim()) {
    write_interim_head(out, head, "canaryd");
  } else {
    write_response_head(out, head, forwarding);
  }
  CANARYD_ASSERT(!out.overflowed());
  const auto again = test::parse_response(out.view(), method);
  CANARYD_ASSERT(again->state == ParseState::kDone);
  CANARYD_ASSERT(again->head.size == out.size());
  CANARYD_ASSERT(again->head.status == head.status);
  CANARYD_ASSERT(again->head.framing == forwarding.plan.framing);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = canaryd::fuzz::text_of(data, size);
  const Method method = size % 3 == 0 ? Method::kHead : Method::kGet;
  const auto whole = test::parse_response(text, method);
  CANARYD_ASSERT(test::response_outcome_in_pieces(text, 1, method) == whole->outcome());
  if (whole->state == ParseState::kDone) check_forwarding(whole->head, method);
  return 0;
}
