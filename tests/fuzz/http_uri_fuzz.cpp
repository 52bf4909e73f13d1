// A target, with an optional host behind a line feed: the canonical form is a fixed point, hides no
// dot segments, and names the same thing as the target that came, to a server that decodes first
// and climbs afterwards.
#include "canaryd/base/error.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/uri.hpp"
#include "fuzz/fuzz_target.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace canaryd::http;

namespace {

// All escapes decoded but that of the slash, which stays one character of its segment.
std::string decode(std::string_view segment) {
  std::string plain;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (segment[i] != '%') {
      plain += segment[i];
      continue;
    }
    CANARYD_ASSERT(i + 2 < segment.size());
    const auto c = static_cast<char>(std::stoi(std::string(segment.substr(i + 1, 2)), nullptr, 16));
    if (c == '/') {
      plain += "%2F";
    } else {
      plain += c;
    }
    i += 2;
  }
  return plain;
}

// The segments from the root to what is named; an empty one at the end for a folder.
std::vector<std::string> resolve(std::string_view path) {
  std::vector<std::string> segments;
  bool folder = true;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string segment = decode(path.substr(0, slash));
    folder = segment.empty() || segment == "." || segment == "..";
    if (segment == "..") {
      CANARYD_ASSERT(!segments.empty());
      segments.pop_back();
    } else if (!folder) {
      segments.push_back(segment);
    }
    if (slash != path.size()) folder = true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  if (folder) segments.emplace_back();
  return segments;
}

// Path and query of the target as it came.
std::string_view resource_of(std::string_view target) {
  if (target.starts_with('/')) return target;
  const std::size_t begin = target.find_first_of("/?", target.find("://") + 3);
  return begin == std::string_view::npos ? std::string_view() : target.substr(begin);
}

void check_canonical(const Target& target, const RequestHead& head, const UriRules& rules) {
  CANARYD_ASSERT(target.path.front() == '/');
  CANARYD_ASSERT(target.forwarded.size() <= head.target.size() + 1);
  const std::string path(target.path);
  const std::string closed = path.back() == '/' ? path : path + "/";
  for (const char* never :
       {"//", "/./", "/../", "/.;", "/..;", "\\", "#", "?", "%2E", "%00", "%5C"}) {
    CANARYD_ASSERT(closed.find(never) == std::string::npos);
  }
  CANARYD_ASSERT(rules.encoded_slash || path.find("%2F") == std::string::npos);
  for (const char c : target.host) CANARYD_ASSERT(c == lower(c));

  const std::string_view came = resource_of(head.target);
  const std::size_t mark = came.find('?');
  CANARYD_ASSERT(resolve(came.substr(0, mark)) == resolve(path));
  const std::string_view query =
      mark == std::string_view::npos ? std::string_view() : came.substr(mark);
  CANARYD_ASSERT(target.forwarded == path + std::string(query));
  CANARYD_ASSERT(target.query == query.substr(query.empty() ? 0 : 1));
}

}  // namespace

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
  check_canonical(once, head, rules);

  RequestHead next = head;
  const std::string forwarded(once.forwarded);
  const std::string authority(once.authority);
  next.target = forwarded;
  next.host = authority;
  std::string next_scratch(target_scratch_bytes(next), ' ');
  Target twice;
  CANARYD_ASSERT(!parse_target(next, rules, next_scratch, twice));
  CANARYD_ASSERT(twice.forwarded == forwarded);
  CANARYD_ASSERT(twice.host == once.host && twice.authority == once.authority);
  return 0;
}
