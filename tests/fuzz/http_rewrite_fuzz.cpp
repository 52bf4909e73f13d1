// FROM, TO, a request's target, a Location and a Set-Cookie, each behind a line feed. What a
// mapping makes of a canonical target is canonical, comes back as it went, and no answer of an
// upstream turns into another host's name or another field.
#include "canaryd/base/error.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/rewrite.hpp"
#include "fuzz/fuzz_target.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

using namespace canaryd::http;

namespace {

std::string_view line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view first = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return first;
}

// The canonical form; empty for what has none.
std::string canonical(std::string_view text, Target& target, std::string& scratch) {
  RequestHead head;
  head.method = Method::kGet;
  head.target = text;
  head.host = "a.example";
  scratch.assign(target_scratch_bytes(head), ' ');
  if (parse_target(head, {}, scratch, target)) return {};
  return std::string(target.forwarded);
}

bool fits(std::string_view path, std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

void check_target(const PathMapping& mapping, const Target& target, bool root, bool bare) {
  std::string scratch(mapping.scratch_bytes(target), ' ');
  const std::string sent(mapping.to_upstream(target, scratch));
  Target again;
  std::string again_scratch;
  CANARYD_ASSERT(canonical(sent, again, again_scratch) == sent);
  CANARYD_ASSERT(again.query == target.query);
  const auto back = mapping.path_to_client(again.path);
  CANARYD_ASSERT(back.has_value());
  CANARYD_ASSERT(*back == target.path || (root && bare));
}

void check_value(const std::optional<std::string>& value) {
  if (!value) return;
  CANARYD_ASSERT(value->find_first_of("\r\n") == std::string::npos);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = canaryd::fuzz::text_of(data, size);
  const std::string_view from = line(text);
  const std::string_view to = line(text);
  if (!is_rewritten_path(from) || !is_rewritten_path(to)) return 0;
  const bool exact = size % 2 == 0;
  const PathMapping mapping(
      exact ? PathMapping::Kind::kExact : PathMapping::Kind::kPrefix, from, to);

  Target target;
  std::string scratch;
  const std::string sent = canonical(line(text), target, scratch);
  const bool matches = exact ? target.path == from : fits(target.path, from);
  if (!sent.empty() && matches) {
    const bool bare = target.path.size() + (from.ends_with('/') ? 1 : 0) == from.size();
    check_target(mapping, target, to == "/", bare);
  }

  const UpstreamPlace place{"a.example", "10.0.0.1:80", to};
  const std::string_view location = line(text);
  const std::string_view cookie = line(text);
  // Others the parser refuses.
  if (!is_field_value(location) || !is_field_value(cookie)) return 0;
  const auto mapped = mapping.location_to_client(location, place);
  check_value(mapped);
  if (mapped && !location.starts_with("//")) {
    CANARYD_ASSERT(!mapped->starts_with("//") && !mapped->starts_with("/\\"));
  }
  check_value(mapping.cookie_to_client(cookie, true, "b.example"));
  return 0;
}
