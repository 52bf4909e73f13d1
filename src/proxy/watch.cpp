#include "canaryd/proxy/watch.hpp"

#include "canaryd/routing/request_rule.hpp"

#include <algorithm>

namespace canaryd::proxy {

SegmentSet segments_of(std::span<const WatchRule> rules, const http::FieldList& fields) noexcept {
  SegmentSet segments;
  for (const WatchRule& rule : rules) {
    const http::Field* const field = fields.find(rule.header);
    if (field == nullptr) continue;
    const std::string_view value = field->value;
    const auto fits =
        std::find_if(rule.values.begin(), rule.values.end(), [value](const WatchedValue& watched) {
          return routing::equals_pattern(value, watched.pattern);
        });
    if (fits != rule.values.end()) segments.add(fits->segment);
  }
  return segments;
}

}  // namespace canaryd::proxy
