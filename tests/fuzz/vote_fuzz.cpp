// The body of a vote: what is accepted is within its bounds, is valid UTF-8, and reads the same
// once more when it is written anew.
#include "canaryd/base/error.hpp"
#include "canaryd/base/text.hpp"
#include "fuzz/fuzz_target.hpp"
#include "proxy/vote_body.hpp"

#include <string>
#include <string_view>

using canaryd::proxy::read_vote;
using canaryd::proxy::VoteBody;
using canaryd::proxy::VoteRead;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = canaryd::fuzz::text_of(data, size);
  VoteBody vote;
  if (read_vote(text, vote) != VoteRead::kGood) return 0;
  CANARYD_ASSERT(vote.score >= 1 && vote.score <= 5);
  CANARYD_ASSERT(vote.page.starts_with('/') && vote.comment_size <= vote.comment.size());
  const std::string_view comment(vote.comment.data(), vote.comment_size);
  for (std::string_view left = comment; !left.empty();) {
    const std::size_t length = canaryd::utf8_sequence_length(left);
    CANARYD_ASSERT(length > 0);
    left.remove_prefix(length);
  }
  std::string written = "{\"path\":\"" + std::string(vote.page) + "\",\"comment\":";
  canaryd::append_json_string(written, comment);
  written += ",\"score\":" + std::to_string(vote.score) + "}";
  VoteBody again;
  CANARYD_ASSERT(read_vote(written, again) == VoteRead::kGood);
  CANARYD_ASSERT(again.score == vote.score && again.page == vote.page);
  CANARYD_ASSERT(std::string_view(again.comment.data(), again.comment_size) == comment);
  return 0;
}
