#include "canaryd/proxy/watch.hpp"

#include "canaryd/http/chars.hpp"

#include <algorithm>

namespace canaryd::proxy {

// After a '*' the first place where the rest fits is tried, then the next; what an earlier '*' took
// need not be tried again, because the later one can take it as well.
bool fits_whole(std::string_view value, std::string_view pattern) noexcept {
  std::size_t at = 0;
  std::size_t next = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after = 0;  // Where in the value what follows the last '*' is tried.
  while (at < value.size()) {
    if (next < pattern.size() && pattern[next] == '*') {
      star = next++;
      after = at;
    } else if (next < pattern.size() && http::lower(pattern[next]) == http::lower(value[at])) {
      ++next;
      ++at;
    } else if (star != std::string_view::npos) {
      next = star + 1;
      at = ++after;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', next) == std::string_view::npos;
}

SegmentSet segments_of(std::span<const WatchRule> rules, const http::FieldList& fields) noexcept {
  SegmentSet segments;
  for (const WatchRule& rule : rules) {
    const http::Field* const field = fields.find(rule.header);
    if (field == nullptr) continue;
    const std::string_view value = field->value.substr(0, kWatchedBytes);
    const auto fits =
        std::find_if(rule.values.begin(), rule.values.end(), [value](const WatchedValue& watched) {
          return fits_whole(value, watched.pattern);
        });
    if (fits != rule.values.end()) segments.add(fits->segment);
  }
  return segments;
}

}  // namespace canaryd::proxy
