#include "control/explain.hpp"

#include "canaryd/base/suggest.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/forwarding.hpp"
#include "canaryd/http/h1_parser.hpp"
#include "canaryd/http/uri.hpp"
#include "canaryd/routing/client_address.hpp"
#include "canaryd/routing/cohort_pick.hpp"
#include "control/controller_state.hpp"
#include "control/snapshot.hpp"

#include <algorithm>

namespace canaryd::control {
namespace {

constexpr std::string_view kDefaultPeer = "127.0.0.1";
constexpr std::string_view kDefaultHost = "localhost";

bool has_line_break(std::string_view text) noexcept {
  return text.find_first_of("\r\n") != std::string_view::npos;
}

// The head as a client would send it. A URL with a host is what a browser is given, so its host
// becomes the Host field.
Result<std::string> head_of(const ExplainRequest& question) {
  std::string_view target = question.url;
  std::string_view host;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t end = std::min(target.find_first_of("/?#"), target.size());
    host = target.substr(0, end);
    target.remove_prefix(end);
  }
  std::string head = question.method + " ";
  if (target.empty() || target.front() == '?') head += '/';
  head.append(target).append(" HTTP/1.1\r\n");
  bool has_host = false;
  for (const auto& [name, value] : question.headers) {
    if (has_line_break(name) || has_line_break(value)) {
      return fail(ErrorCode::kInvalidArgument, "a header has a line break");
    }
    has_host = has_host || http::equals_ignore_case(name, "host");
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (has_line_break(question.method) || has_line_break(question.url)) {
    return fail(ErrorCode::kInvalidArgument, "method or URL has a line break");
  }
  if (!has_host) head.append("Host: ").append(host.empty() ? kDefaultHost : host).append("\r\n");
  return head += "\r\n";
}

Explanation& refuse(Explanation& answer,
                    std::string_view word,
                    unsigned status,
                    std::string_view why) {
  answer.refused = word;
  answer.why = std::to_string(status) + " " + answer.refused + ": ";
  answer.why += why;
  return answer;
}
Explanation& refuse(Explanation& answer, const http::Refused& refused) {
  return refuse(answer, http::to_string(refused.why), http::status_of(refused.why), refused.detail);
}
Explanation& refuse(Explanation& answer, proxy::ProxyError error, std::string_view why) {
  return refuse(answer, proxy::to_string(error), proxy::status_of(error), why);
}

// Of the listed keys the one that was there: the pick names only its kind.
std::string name_of_key(const routing::Rollout& rollout, const routing::PickInput& input) {
  for (const routing::StickySource& source : rollout.sticky.sources) {
    routing::StickySpec alone;
    alone.sources = {source};
    routing::StickyScratch scratch;
    const routing::StickyKey key = routing::find_sticky_key(
        alone, {input.fields, input.query, input.client, input.random}, scratch);
    if (key.source != routing::KeySource::kNone) return source.name;
  }
  return rollout.sticky.issue_cookie ? rollout.sticky.issue_cookie->name : std::string();
}

// Made for this request, whether its client will be given it or not.
bool is_fresh(const routing::Rollout& rollout, const routing::PickInput& input) {
  routing::StickyScratch scratch;
  const routing::StickyKey key = routing::find_sticky_key(
      rollout.sticky, {input.fields, input.query, input.client, input.random}, scratch);
  return key.fresh || key.source == routing::KeySource::kPerRequest;
}

std::string why_by_weight(const Explanation& answer) {
  const std::string weight = format_percent(answer.weight) + " %";
  if (answer.key_is_fresh) {
    return "the cohort is drawn by lot for a key that is made for this request; the canary has " +
           weight;
  }
  return "bucket " + std::to_string(answer.bucket.value_or(0)) + " of 10000 is " +
         (answer.cohort == "canary" ? "below" : "not below") + " the weight of " + weight;
}

std::string why_by_segment(const routing::Segment& segment, const Explanation& answer) {
  std::string why = "it is in segment " + std::to_string(answer.segment.value_or(0)) + " (" +
                    answer.segment_rule + "), ";
  if (segment.cohort == Cohort::kStable) return why + "which moves last, at 100 %";
  if (segment.from_weight == BasisPoints(0)) return why + "which is on the canary";
  return why + "which is on the canary from " + format_percent(segment.from_weight) + " % on";
}

std::string why_of(const routing::Rollout& rollout,
                   const routing::Pick& pick,
                   const Explanation& answer) {
  switch (pick.rule) {
    case routing::PickRule::kWeight:
      return why_by_weight(answer);
    case routing::PickRule::kNoKey:
      return "it has none of the rollout's keys, so it moves last, at 100 %";
    case routing::PickRule::kForce:
      if (rollout.traffic == routing::Traffic::kCanaryOnly) {
        return "everybody is on the canary, forced or not: the stable version is given up";
      }
      return "it asks for its cohort by the force header or cookie";
    case routing::PickRule::kFollow:
      return "a trusted peer says that it is in this cohort of rollout " + rollout.follow;
    case routing::PickRule::kSegment:
      return why_by_segment(rollout.segments[pick.segment - 1U], answer);
    case routing::PickRule::kSafety:
      return "nobody is sent to the canary now, forced or not";
    case routing::PickRule::kIdle:
      return "rollout " + rollout.name + " has not begun";
    case routing::PickRule::kExcluded:
      break;
  }
  return {};
}

// Lanes are known by where they stand.
std::string why_of_lane(const routing::RouteMatch& split,
                        const routing::RouteMatch& lane,
                        Explanation& answer) {
  std::uint32_t begin = 0;
  for (std::size_t i = 0; i < split.lanes.size(); ++i) {
    const auto& [end, route] = split.lanes[i];
    if (route != &lane) {
      begin = end;
      continue;
    }
    answer.lane = static_cast<std::uint32_t>(i + 1);
    return "lane " + std::to_string(i + 1) + " of " + std::to_string(split.lanes.size()) +
           ", with " + format_percent(BasisPoints(end - begin)) + " % of the users, has rollout " +
           std::string(lane.rollout->name) + "; ";
  }
  return {};
}

// `route` becomes that of the lane, where the route has several.
void explain_pick(Explanation& answer,
                  const routing::RouteMatch*& route,
                  const routing::PickInput& input) {
  const routing::RouteMatch& whole = *route;
  routing::Pick pick = whole.is_split() ? routing::pick_lane(route, input)
                                        : routing::pick_cohort(*whole.rollout, input);
  const routing::Rollout& rollout = *route->rollout;
  answer.rollout = rollout.name;
  answer.cohort = to_string(pick.cohort);
  answer.key_source = routing::to_string(pick.key_source);
  answer.weight = pick.weight;
  answer.forced = pick.forced;
  if (pick.key_source != routing::KeySource::kNone) {
    answer.key_name = name_of_key(rollout, input);
    answer.key_is_fresh = is_fresh(rollout, input);
    if (!answer.key_is_fresh) answer.bucket = pick.bucket;
  }
  if (pick.rule == routing::PickRule::kSegment) {
    answer.segment = pick.segment;
    answer.segment_rule = routing::to_string(rollout.segments[pick.segment - 1U].users);
  }
  if (whole.is_split()) {
    const bool drawn = answer.key_is_fresh && pick.rule != routing::PickRule::kFollow;
    if (drawn) answer.why = "drawn by lot for this request: ";
    answer.why += why_of_lane(whole, *route, answer);
  }
  answer.why += why_of(rollout, pick, answer);
  if (routing::fits_any(rollout.exclude, input.facts())) {
    routing::exclude(pick);
    answer.why += "; analysis.exclude leaves it out of the evidence";
  }
  answer.rule = routing::to_string(pick.rule);
  answer.counts = pick.counts_for_analysis;
}

// What is answered before the routes are asked, whatever they are.
bool reaches_no_route(Explanation& answer,
                      const http::RequestHead& head,
                      const http::Target& target,
                      const proxy::ListenerSpec& listener) {
  if (http::goes_in_circles(head)) {
    refuse(answer,
           proxy::ProxyError::kLoopDetected,
           "its Via names more than " + std::to_string(http::kMostPasses) + " canaryds");
    return true;
  }
  const bool post = head.method == http::Method::kPost;
  if (!listener.feedback || !post || target.path != proxy::kFeedbackPath) return false;
  answer.why = "a vote of a user is taken here, and goes to no upstream";
  return true;
}

}  // namespace

Result<Explanation> explain_request(const ExplainRequest& question,
                                    const proxy::Snapshot& snapshot,
                                    const proxy::ListenerSpec& listener) {
  CANARYD_TRY_ASSIGN(const std::string text, head_of(question));
  CANARYD_TRY_ASSIGN(const IpAddress peer_given,
                     parse_ip(question.client.empty() ? kDefaultPeer : question.client));
  const IpAddress peer = peer_given.unmapped();
  Explanation answer;
  answer.listener = listener.name;
  answer.client = to_string(peer);
  answer.method = question.method;
  answer.path = question.url;

  http::RequestParser parser(listener.head);
  http::RequestHead head;
  if (parser.parse(text, head) != http::ParseState::kDone) {
    return refuse(answer, parser.refused());
  }
  answer.method = head.method_text;
  answer.peer_trusted = routing::is_trusted(peer, listener.trusted_proxies);
  const IpAddress client =
      answer.peer_trusted ? routing::resolve_client(peer, head.fields, listener.trusted_proxies)
                          : peer;
  answer.client = to_string(client);
  if (!answer.peer_trusted && snapshot.table->reads_what_proxies_say()) {
    head.fields.remove_if([](const auto& field) { return routing::is_of_proxies(field.name); });
  }
  if (http::ends_here(head)) {
    answer.why = "OPTIONS with Max-Forwards: 0 is answered here";
    return answer;
  }
  std::string scratch(http::target_scratch_bytes(head), '\0');
  http::Target target;
  if (const auto refused = http::parse_target(head, listener.targets, scratch, target)) {
    return refuse(answer, refused);
  }
  answer.host = target.host;
  answer.path = target.path;
  if (reaches_no_route(answer, head, target, listener)) return answer;
  const routing::RouteMatch* route = snapshot.table->match(head, target);
  if (route == nullptr) {
    return refuse(answer, proxy::ProxyError::kNoRoute, "no route fits this request");
  }
  answer.route = route->name;
  const auto& rules = snapshot.rules;
  const proxy::RouteRules* const own = rules.empty() ? nullptr : rules[route->id.index()].get();
  if (own != nullptr && own->respond) {
    answer.why = "the route answers " + std::to_string(own->respond->status) + " itself";
    return answer;
  }
  UpstreamId upstream = route->upstream;
  answer.why = "the route has no rollout";
  if (route->rollout != nullptr || route->is_split()) {
    answer.why.clear();
    Random random(entropy_seed());
    const routing::PickInput input{
        head.fields, target.query, client, answer.peer_trusted, random, target.path};
    explain_pick(answer, route, input);
    if (answer.cohort == to_string(Cohort::kCanary)) upstream = route->rollout->canary;
  }
  answer.upstream = snapshot.upstreams[upstream.index()].name;
  if (own != nullptr && own->rewrite && own->rewrite->applies_to(upstream)) {
    std::string rewritten(own->rewrite->path.scratch_bytes(target), '\0');
    answer.sent_as = own->rewrite->path.to_upstream(target, rewritten);
  }
  return answer;
}

Result<Explanation> Controller::explain(const ExplainRequest& question) const {
  const auto& listeners = state_->config.listeners;
  const auto listener =
      question.listener.empty()
          ? listeners.begin()
          : std::find_if(listeners.begin(), listeners.end(), [&](const config::Listener& each) {
              return each.name == question.listener;
            });
  if (listener == listeners.end()) {
    std::vector<std::string_view> names;
    for (const config::Listener& each : listeners) names.push_back(each.name);
    return fail(ErrorCode::kInvalidArgument, no_such("listener", names));
  }
  if (state_->published == nullptr) return fail(ErrorCode::kInvalidArgument, "not started yet");
  CANARYD_TRY_ASSIGN(Explanation answer,
                     explain_request(question, *state_->published, *make_listener(*listener)));
  for (const RouteView& route : routes()) {
    if (route.name != answer.route) continue;
    answer.match = route.match;
    answer.mirror = route.mirror;
  }
  if (const auto view = rollout(answer.rollout)) answer.state = view->state;
  for (UpstreamView& view : upstreams()) {
    if (view.name == answer.upstream) answer.endpoints = std::move(view.endpoints);
  }
  return answer;
}

}  // namespace canaryd::control
