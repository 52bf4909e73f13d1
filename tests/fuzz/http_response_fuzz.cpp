// A response head: any pieces give one result; a liberal client reads the same in what we accept,
// and in what we forward of it, and so do we, a hop further.
#include "canaryd/base/error.hpp"
#include "canaryd/http/forwarding.hpp"
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

void check_liberal_reading(std::string_view text, const ResponseHead& head) {
  const PlainHead plain = PlainReader(text).head();
  CANARYD_ASSERT(plain.complete && plain.size == head.size);
  CANARYD_ASSERT(plain.words.size() >= 2 && plain.words[1] == std::to_string(head.status));
  CANARYD_ASSERT(plain.words[0].starts_with("HTTP/1."));
  CANARYD_ASSERT((plain.words[0] == "HTTP/1.0") == (head.version_minor == 0));
  CANARYD_ASSERT(plain.fields == fields_of(head.fields));
}

struct Client {
  Method method = Method::kGet;
  std::uint8_t version_minor = 1;
};

void check_forwarding(const ResponseHead& head, const Client& client, int hops) {
  SetCookie cookie;
  cookie.name = "id";
  cookie.value = "x";
  ResponseForwarding forwarding;
  forwarding.request_method = client.method;
  forwarding.client_version_minor = client.version_minor;
  forwarding.plan = plan_response(head, client.version_minor, true);
  forwarding.cookie = &cookie;
  forwarding.cohort = canaryd::Cohort::kStable;
  forwarding.websocket = head.status == 101;
  std::string storage(head.size + 512, ' ');
  HeadBuffer out(storage);
  const bool passed_on = head.interim() && !forwarding.websocket;
  if (passed_on) {
    write_interim_head(out, head);
  } else {
    write_response_head(out, head, forwarding);
  }
  CANARYD_ASSERT(!out.overflowed());

  const auto again = test::parse_response(out.view(), client.method);
  const ResponseHead& next = again->head;
  CANARYD_ASSERT(again->state == ParseState::kDone && next.size == out.size());
  check_liberal_reading(out.view(), next);
  CANARYD_ASSERT(next.status == head.status && next.reason == head.reason);
  CANARYD_ASSERT(next.framing == forwarding.plan.framing);
  PlainFields before = fields_of(head.fields);
  PlainFields after = fields_of(next.fields);
  CANARYD_ASSERT(count_of(after, "via") == count_of(before, "via") + 1);
  CANARYD_ASSERT(count_of(after, "x-canaryd-cohort") == (passed_on ? 0 : 1));
  const bool cookie_added = !passed_on && may_issue_cookie(head, {});
  CANARYD_ASSERT(count_of(after, "set-cookie") ==
                 count_of(before, "set-cookie") + (cookie_added ? 1 : 0));
  before = end_to_end(before);
  after = end_to_end(after);
  if (cookie_added) after.pop_back();
  CANARYD_ASSERT(after == before);
  if (passed_on) return;
  if (head.framing.kind == BodyKind::kNone && head.status != 101 && head.status != 204) {
    CANARYD_ASSERT(next.content_length == head.content_length);
  }
  if (!forwarding.websocket && next.framing.kind != BodyKind::kUntilClose) {
    CANARYD_ASSERT(next.keep_alive);
  }
  if (hops > 1) check_forwarding(next, client, hops - 1);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = canaryd::fuzz::text_of(data, size);
  Client client;
  if (size % 3 == 0) client.method = Method::kHead;
  const auto whole = test::parse_response(text, client.method);
  CANARYD_ASSERT(test::response_outcome_in_pieces(text, 1, client.method) == whole->outcome());
  CANARYD_ASSERT(test::response_outcome_in_pieces(text, 1 + size % 23, client.method) ==
                 whole->outcome());
  if (whole->state != ParseState::kDone) return 0;
  check_liberal_reading(text, whole->head);
  client.version_minor = whole->head.fields.size() % 2;
  // A client of HTTP/1.0 is sent no interim response and offers no other protocol.
  if (whole->head.interim()) client.version_minor = 1;
  check_forwarding(whole->head, client, kHops);
  return 0;
}
