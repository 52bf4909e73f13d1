// The body of a vote: {"score": 1 to 5, "comment": "...", "path": "/..."}; only the score must be
// there. Strict: JSON (RFC 8259), in UTF-8, these members, each once, and nothing behind it.
//
// Pure, without memory of its own: `page` points into the body.
#pragma once

#include "canaryd/stats/feedback.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace canaryd::proxy {

inline constexpr std::size_t kVoteBytesMax = 4096;

struct VoteBody {
  unsigned score = 0;
  std::string_view page = "/";  // Begins with '/'.
  std::array<char, stats::kCommentBytesMax> comment{};
  std::size_t comment_size = 0;
};

enum class VoteRead : std::uint8_t { kGood, kMalformed, kTooLong };

// kTooLong: the comment is. `vote` says nothing unless the result is kGood.
[[nodiscard]] VoteRead read_vote(std::string_view body, VoteBody& vote) noexcept;

}  // namespace canaryd::proxy
