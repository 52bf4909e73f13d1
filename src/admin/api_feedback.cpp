// What users think: votes in, comments out.
#include "admin/action_body.hpp"
#include "admin/api.hpp"
#include "admin/json.hpp"
#include "admin/problem.hpp"
#include "admin/query.hpp"

#include <boost/json.hpp>

#include <utility>

namespace canaryd::admin {
namespace {

namespace json = boost::json;
using control::FeedbackStatus;

constexpr std::uint64_t kCommentsMax = 1000;

Response accepted(json::value body) {
  Response response;
  response.status = 202;
  response.body = to_text(body);
  return response;
}

Response answer_to_vote(FeedbackStatus status, std::string_view path) {
  switch (status) {
    case FeedbackStatus::kCounted:
      return accepted({{"counted", true}});
    case FeedbackStatus::kDuplicate:
      return accepted({{"counted", false}, {"reason", "duplicate"}});
    case FeedbackStatus::kNoEvidence:
      return accepted({{"counted", false}, {"reason", "no_evidence"}});
    case FeedbackStatus::kRateLimited:
      return too_many("too many votes of this rollout in a second", path);
    case FeedbackStatus::kNotFound:
      break;
  }
  return to_response({404, "not-found", "there is no such rollout"}, path);
}

}  // namespace

void Api::feedback(const Request& request, const Match& match, const Done& done) {
  auto vote = read_feedback_body(request.body);
  if (!vote) return done(invalid(request, vote.error()));
  vote->rollout = match.rollout;
  vote->actor = request.actor;
  const std::string path(request.path());
  once(request, done, [&](const Done& then) {
    then(answer_to_vote(backend_.feedback(std::move(*vote)), path));
  });
}

void Api::comments(const Request& request, const Match& match, const Done& done) {
  const auto parsed = Query::parse(request.query(), {"limit"});
  if (!parsed) return done(invalid(request, parsed.error()));
  const auto limit = parsed->number("limit", 1, kCommentsMax);
  if (!limit) return done(invalid(request, limit.error()));
  control::CommentQuery query;
  query.rollout = match.rollout;
  query.limit = static_cast<std::size_t>(limit->value_or(query.limit));
  const std::string path(request.path());
  backend_.comments(
      std::move(query), [done, path](Result<std::vector<control::CommentView>> views) {
        if (views) {
          Response response;
          response.body = to_text({{"items", to_json(*views)}});
          return done(std::move(response));
        }
        if (views.error().code == ErrorCode::kNotFound) {
          return done(to_response({404, "not-found", "there is no such rollout"}, path));
        }
        done(to_response({503, "store-failed", describe(views.error())}, path));
      });
}

}  // namespace canaryd::admin
