// Answers that go on: server-sent events.
#include "admin/api.hpp"
#include "admin/json.hpp"
#include "admin/problem.hpp"
#include "admin/query.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <variant>

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

Result<std::optional<std::uint64_t>> read_last_id(const Request& request) {
  if (!request.last_event_id) return std::optional<std::uint64_t>();
  const std::string& text = *request.last_event_id;
  std::uint64_t id = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || stop != text.data() + text.size()) {
    return fail(ErrorCode::kInvalidArgument, "Last-Event-ID must be the id of an event");
  }
  return std::optional<std::uint64_t>(id);
}

// In the order of ControlEvent::What.
constexpr std::array<std::string_view, 5> kEventTypes{
    "transition", "verdict", "sample", "reload", "missed"};
static_assert(kEventTypes.size() == std::variant_size_v<control::ControlEvent::What>);

}  // namespace

void Api::events(const Request& request, const Match& /*match*/, const Done& done) {
  const auto query = Query::parse(request.query(), {});
  if (!query) return done(invalid(request, query.error()));
  const auto after = read_last_id(request);
  if (!after) return done(invalid(request, after.error()));
  stream(request, done, [&](control::EventSink sink) {
    return backend_.events(*after, [sink = std::move(sink)](const control::ControlEvent& event) {
      std::string data =
          to_text(std::visit([](const auto& what) { return to_json(what); }, event.what));
      data.pop_back();  // The line feed.
      sink({event.id, kEventTypes.at(event.what.index()), data});
    });
  });
}

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
  if (streams_.size() >= options_.limits.streams) {
    return done(to_response({503,
                             "too-many-streams",
                             "there are " + std::to_string(options_.limits.streams) +
                                 " streams already: close one, or try again later"},
                            request.path()));
  }
  auto events = std::make_shared<EventStream>(options_.limits.stream_bytes);
  auto source = subscribe([to = std::weak_ptr(events)](const control::StreamEvent& event) {
    if (const auto stream = to.lock()) stream->push(event);
  });
  if (!source) return done(invalid(request, source.error()));
  events->feed_from(std::move(*source));
  if (options_.tokens) {
    // What it takes to know him again; his token is no part of it.
    Request reader;
    reader.peer_uid = request.peer_uid;
    reader.actor_token = request.actor_token;
    events->while_true([tokens = options_.tokens, reader = std::move(reader), is_open = is_open_] {
      return may_still_read(reader, tokens(), is_open);
    });
  }
  streams_.push_back(events);
  response.events = std::move(events);
  done(std::move(response));
}

}  // namespace canaryd::admin
