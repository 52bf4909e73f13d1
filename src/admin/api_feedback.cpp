// What users think: votes in, comments out.
#include "admin/action_body.hpp"
#include "admin/answer.hpp"
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

Response answer_to_vote(FeedbackStatus status,
                        const Request& request,
                        std::string_view rollout,
                        const control::Backend& backend) {
  switch (status) {
    case FeedbackStatus::kCounted:
      return accepted({{"counted", true}});
    case FeedbackStatus::kDuplicate:
      return accepted({{"counted", false}, {"reason", "duplicate"}});
    case FeedbackStatus::kNoEvidence:
      return accepted({{"counted", false}, {"reason", "no_evidence"}});
    case FeedbackStatus::kRateLimited:
      return too_many("too many votes of this rollout in a second", request.path());
    case FeedbackStatus::kNotFound:
      break;
  }
  return no_such_rollout(request, rollout, backend);
}

}  // namespace

void Api::feedback(const Request& request, const Match& match, const Done& done) {
  auto vote = read_feedback_body(request.body);
  if (!vote) return done(invalid(request, vote.error()));
  vote->rollout = match.rollout;
  vote->actor = request.actor;
  once(request, done, [&](const Done& then) {
    then(answer_to_vote(backend_.feedback(std::move(*vote)), request, match.rollout, backend_));
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
  Response unknown = if_no_such_rollout(request, match.rollout, backend_);
  auto answer =
      [done, path, unknown = std::move(unknown)](Result<std::vector<control::CommentView>> views) {
        if (views) {
          Response response;
          response.body = to_text({{"items", to_json(*views)}});
          return done(std::move(response));
        }
        if (views.error().code == ErrorCode::kNotFound) return done(unknown);
        done(to_response({503, "store-failed", describe(views.error())}, path));
      };
  backend_.comments(std::move(query), std::move(answer));
}

}  // namespace canaryd::admin
