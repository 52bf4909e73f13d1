// A query: what somebody else is asked about a rollout, as extra evidence (`analysis.queries`).
// Plain values.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/url.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace canaryd::config {

struct Query {
  enum class OnFailure : std::uint8_t {
    kHold,      // The weight stays where it is until the readings are good again.
    kRollback,  // Everybody back to stable.
  };

  std::string name;
  // Exactly one of the two is set.
  std::optional<HttpUrl> prometheus;  // Where its API is; target: what its paths begin with.
  std::optional<HttpUrl> webhook;
  // Prometheus only: PromQL with kQueryPlaceholders, and what its value may be, in its own unit. At
  // least one of the bounds is set.
  std::string query;
  std::optional<double> min;
  std::optional<double> max;
  Duration interval = std::chrono::seconds(30);  // From one question to the next.
  Duration timeout = std::chrono::seconds(5);    // Not longer than interval.
  std::uint32_t failures = 3;                    // Bad readings in a row until on_failure happens.
  OnFailure on_failure = OnFailure::kHold;
  std::optional<std::string> authorization_file;  // What the header Authorization says.
  friend bool operator==(const Query&, const Query&) = default;
};

inline constexpr std::size_t kQueriesMax = 16;  // Of a rollout.
inline constexpr std::size_t kQueryBytesMax = 4096;

// The words that may stand in {{ }}.
inline constexpr std::array<std::string_view, 5> kQueryPlaceholders = {
    "rollout", "stable", "canary", "revision", "interval"};
// Calls visit(text, word) for each piece of a query: text up to the next placeholder, and its word,
// which is empty at the end. Spaces around a word do not count. False: {{ without a word or }}.
template <class Visit>
bool visit_query(std::string_view query, Visit visit) {
  for (;;) {
    const std::size_t begin = query.find("{{");
    if (begin == std::string_view::npos) {
      visit(query, std::string_view());
      return true;
    }
    const std::size_t end = query.find("}}", begin);
    if (end == std::string_view::npos) return false;
    std::string_view word = query.substr(begin + 2, end - begin - 2);
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    if (word.empty()) return false;
    visit(query.substr(0, begin), word);
    query.remove_prefix(end + 2);
  }
}

}  // namespace canaryd::config
