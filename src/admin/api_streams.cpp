// Answers that go on: server-sent events.
#include "admin/api.hpp"
#include "admin/problem.hpp"
#include "admin/query.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace canaryd::admin {
namespace {

Result<telemetry::TapFilter> read_filter(const Request& request) {
  CANARYD_TRY_ASSIGN(const Query query,
                     Query::parse(request.query(), {"cohort", "route", "errors"}));
  CANARYD_TRY_ASSIGN(const auto errors, query.number("errors", 0, 1));
  telemetry::TapFilter filter;
  filter.errors_only = errors == 1;
  filter.route = query.text("route");
  if (!query.has("cohort")) return filter;
  for (const Cohort each : {Cohort::kStable, Cohort::kCanary, Cohort::kNone}) {
    if (query.text("cohort") == to_string(each)) filter.cohort = each;
  }
  if (!filter.cohort) {
    return fail(ErrorCode::kInvalidArgument, "cohort must be stable, canary or none");
  }
  return filter;
}

}  // namespace

void Api::tap(const Request& request, const Match& /*match*/, const Done& done) {
  auto filter = read_filter(request);
  if (!filter) return done(invalid(request, filter.error()));
  stream(request, done, [&](control::EventSink sink) {
    return backend_.tap(std::move(*filter), std::move(sink));
  });
}

void Api::stream(const Request& request, const Done& done, const Subscribe& subscribe) {
  Response response;
  response.content_type = "text/event-stream";
  if (request.method == "HEAD") return done(std::move(response));
  std::erase_if(streams_, [](const auto& weak) {
    const auto stream = weak.lock();
    return stream == nullptr || stream->ended();
  });
  if (streams_.size() >= bounds_.streams) {
    return done(to_response({503,
                             "too-many-streams",
                             "there are " + std::to_string(bounds_.streams) +
                                 " streams already: close one, or try again later"},
                            request.path()));
  }
  auto events = std::make_shared<EventStream>(bounds_.stream_bytes);
  auto source = subscribe([to = std::weak_ptr(events)](const control::StreamEvent& event) {
    if (const auto stream = to.lock()) stream->push(event);
  });
  if (!source) return done(invalid(request, source.error()));
  events->feed_from(std::move(*source));
  streams_.push_back(events);
  response.events = std::move(events);
  done(std::move(response));
}

}  // namespace canaryd::admin
