#include "store/comment_rows.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace canaryd::store {

Result<void> add_comments(Database& database, const std::vector<Comment>& comments) {
  if (comments.empty()) return {};
  CANARYD_TRY_ASSIGN(
      Statement insert,
      database.prepare("INSERT INTO comments (rollout, at_ms, place, cohort, score, actor, text)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"));
  std::set<std::string> rollouts;
  for (const Comment& comment : comments) {
    insert.bind_text(1, comment.rollout);
    insert.bind_signed(2, comment.at.time_since_epoch().count()).bind(3, comment.place);
    insert.bind_text(4, comment.cohort).bind(5, std::uint64_t{comment.score});
    insert.bind_text(6, comment.actor).bind_text(7, comment.text);
    CANARYD_TRY(insert.run());
    insert.reset();
    rollouts.insert(comment.rollout);
  }
  CANARYD_TRY_ASSIGN(
      Statement prune,
      database.prepare("DELETE FROM comments WHERE rollout = ?1 AND (at_ms, place) <= (SELECT "
                       "at_ms, place FROM comments WHERE rollout = ?1 ORDER BY at_ms DESC, place "
                       "DESC LIMIT 1 OFFSET ?2)"));
  for (const std::string& rollout : rollouts) {
    CANARYD_TRY(prune.bind_text(1, rollout).bind(2, kMaxComments).run());
    prune.reset();
  }
  return {};
}

Result<std::vector<Comment>> read_comments(Database& database,
                                           const std::string& rollout,
                                           std::size_t limit) {
  CANARYD_TRY_ASSIGN(
      Statement statement,
      database.prepare("SELECT at_ms, place, cohort, score, actor, text FROM comments WHERE "
                       "rollout = ? ORDER BY at_ms DESC, place DESC LIMIT ?"));
  statement.bind_text(1, rollout).bind(2, std::min(limit, kMaxComments));
  std::vector<Comment> comments;
  while (true) {
    CANARYD_TRY_ASSIGN(const bool more, statement.step());
    if (!more) break;
    Comment comment;
    comment.rollout = rollout;
    comment.at = WallTime(std::chrono::milliseconds(statement.signed_integer(0)));
    comment.place = statement.integer(1);
    comment.cohort = statement.text(2);
    comment.score = static_cast<unsigned>(std::min<std::uint64_t>(statement.integer(3), 5));
    comment.actor = statement.text(4);
    comment.text = statement.text(5);
    comments.push_back(std::move(comment));
  }
  std::reverse(comments.begin(), comments.end());
  return comments;
}

}  // namespace canaryd::store
