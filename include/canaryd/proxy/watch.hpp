// Which segments a request is of (`analysis.watch`): of each rule that for which the header's first
// value fits first; a value that no rule names is of none. They are routed as all others.
//
// Pure; any thread; does not allocate. Limits: SegmentSet::kMost rules; of a value only what
// request_rule.hpp looks at.
#pragma once

#include "canaryd/base/segment_set.hpp"
#include "canaryd/http/message.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::proxy {

struct WatchedValue {
  std::string pattern;  // Of the whole value; routing::equals_pattern().
  std::uint8_t segment = 0;
  friend bool operator==(const WatchedValue&, const WatchedValue&) = default;
};

struct WatchRule {
  std::string header;
  std::vector<WatchedValue> values;
  friend bool operator==(const WatchRule&, const WatchRule&) = default;
};

using WatchRules = std::vector<WatchRule>;

[[nodiscard]] SegmentSet segments_of(std::span<const WatchRule> rules,
                                     const http::FieldList& fields) noexcept;

}  // namespace canaryd::proxy
