// A target, with an optional host behind a line feed: the canonical form is a fixed point and hides
// no dot segments.
#include "canaryd/base/error.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/uri.hpp"
#include "fuzz/fuzz_target.hpp"

#include <string>
#include <string_view>

using namespace canaryd::http;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = canaryd::fuzz::text_of(data, size);
  const std::size_t line = text.find('\n');
  RequestHead head;
  head.target = text.substr(0, line);
  head.host = line == std::string_view::npos ? "example.com" : text.substr(line + 1);
  head.method = size % 2 == 0 ? Method::kGet : Method::kOptions;
  const UriRules rules{size % 3 == 0};
  std::string scratch(target_scratch_bytes(head), ' ');
  Target once;
  const Refused refused = parse_target(head, rules, scratch, once);
  if (refused) {
    CANARYD_ASSERT(refused.why == Refusal::kBadRequest);
    return 0;
  }
  if (once.path == "*") return 0;
  CANARYD_ASSERT(once.path.front() == '/');
  CANARYD_ASSERT(once.forwarded.size() <= head.target.size() + 1);
  const std::string path(once.path);
  const std::string closed = path.back() == '/' ? path : path + "/";
  for (const char* never :
       {"//", "/./", "/../", "/.;", "/..;", "\\", "#", "?", "%2E", "%00", "%5C"}) {
    CANARYD_ASSERT(closed.find(never) == std::string::npos);
  }
  for (const char c : once.host) CANARYD_ASSERT(c == lower(c));

  RequestHead next = head;
  const std::string forwarded(once.forwarded);
  const std::string authority(once.authority);
  next.target = forwarded;
  next.host = authority;
  std::string next_scratch(target_scratch_bytes(next), ' ');
  Target twice;
  CANARYD_ASSERT(!parse_target(next, rules, next_scratch, twice));
  CANARYD_ASSERT(twice.forwarded == forwarded);
  CANARYD_ASSERT(twice.host == once.host);
  return 0;
}
