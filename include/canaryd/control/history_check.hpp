// A check of the whole history: whether its hash chain is unbroken (docs/operations.md, "The
// history"). Plain values.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/store/verification.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace canaryd::control {

struct HistoryCheckQuery {
  std::string rollout;  // Count its entries as well; empty: none. The chain is of all rollouts.
  std::optional<store::ChainHead> known;  // The head of an earlier check, kept elsewhere.
};

enum class HistoryResult : std::uint8_t {
  kWhole,
  kBroken,       // An entry was changed, is missing, or stands elsewhere.
  kUnknownHead,  // Whole, but the entry of the known head was taken out by retention.
};
[[nodiscard]] constexpr std::string_view to_string(HistoryResult result) noexcept {
  constexpr std::array<std::string_view, 3> kNames{"whole", "broken", "unknown_head"};
  return kNames[static_cast<std::size_t>(result)];
}

struct HistoryCheckView {
  HistoryResult result = HistoryResult::kWhole;
  std::string why;            // A sentence.
  std::uint64_t entries = 0;  // Checked and good.
  std::uint64_t pruned = 0;   // Taken out by retention.
  std::string rollout;        // As asked.
  std::uint64_t of_rollout = 0;
  std::optional<WallTime> first;  // Of the good entries.
  std::optional<WallTime> last;
  store::ChainHead head;  // The last good entry.
  std::optional<std::uint64_t> bad_id;
};
using HistoryCheckDone = std::function<void(Result<HistoryCheckView>)>;

// Of a check that is done.
[[nodiscard]] HistoryCheckView view_of(const store::Verification& found);

// "ID:HASH", as people keep it.
[[nodiscard]] inline std::string to_text(const store::ChainHead& head) {
  return std::to_string(head.id) + ":" + head.hash;
}
// kInvalidArgument: it is not one.
[[nodiscard]] inline Result<store::ChainHead> parse_head(std::string_view text) {
  constexpr std::size_t kHashDigits = 64;
  const std::size_t colon = std::min(text.find(':'), text.size());
  const std::string_view hash = text.substr(std::min(colon + 1, text.size()));
  store::ChainHead head;
  const auto [end, error] = std::from_chars(text.data(), text.data() + colon, head.id);
  if (error != std::errc() || end != text.data() + colon || hash.size() != kHashDigits ||
      hash.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument,
                "a head is the id of an entry, a colon, and its hash of 64 digits 0-9a-f");
  }
  head.hash = hash;
  return head;
}

}  // namespace canaryd::control
