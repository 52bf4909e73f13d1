// Rewrites that would rewrite nothing, answers that are no answer, and an end before its beginning.
#include "canaryd/base/units.hpp"
#include "canaryd/routing/path_template.hpp"
#include "config/codec.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {
namespace {

bool is_redirect(std::uint16_t status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool goes_to(const Config& config, const Route& route, UpstreamId upstream) {
  if (route.upstream == upstream) return true;
  if (route.mirror && route.mirror->to == upstream) return true;
  const std::vector<RolloutId> rollouts = route.rollouts();
  return std::any_of(rollouts.begin(), rollouts.end(), [&](RolloutId id) {
    const Rollout& rollout = config.rollout(id);
    return rollout.stable == upstream || rollout.canary == upstream;
  });
}

// Sorted; as many as there are.
std::vector<std::string> variables_of(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::string_view segment = routing::take_segment(path);
    if (segment.find_first_of("{}") != std::string_view::npos) names.emplace_back(segment);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void check_rewrite(const Config& config, const Route& route, const std::string& path, Reader& in) {
  if (route.match.path_kind == Match::Path::kTemplate &&
      variables_of(route.rewrite->path) != variables_of(route.match.path)) {
    in.error_at_value(path + ".path",
                      path + ".path: its variables are not those of match.path_template, " +
                          quoted(route.match.path) + ", each once");
  }
  const auto& only = route.rewrite->upstream;
  if (!only || goes_to(config, route, *only)) return;
  in.error_at_value(path + ".upstream",
                    path + ".upstream: none of the route's requests go to " +
                        quoted(config.upstream(*only).name));
}

std::string small(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

void check_headers(const Respond& respond, const std::string& path, Reader& in) {
  constexpr std::array<std::string_view, 17> kOurs{"close",
                                                   "connection",
                                                   "content-length",
                                                   "content-type",
                                                   "date",
                                                   "host",
                                                   "keep-alive",
                                                   "location",
                                                   "proxy-authenticate",
                                                   "proxy-connection",
                                                   "set-cookie",
                                                   "te",
                                                   "trailer",
                                                   "transfer-encoding",
                                                   "upgrade",
                                                   "x-canaryd-error",
                                                   "x-request-id"};
  for (std::size_t i = 0; i < respond.headers.size(); ++i) {
    const std::string name = small(respond.headers[i].name);
    const std::string at = path + ".headers." + respond.headers[i].name;
    if (std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end()) {
      in.error_at(at, at + ": canaryd writes this header itself, or not at all");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (small(respond.headers[j].name) == name) in.error_at(at, at + ": it is listed already");
    }
  }
}

void check_respond(const Route& route, const std::string& path, Reader& in) {
  const Respond& respond = *route.respond;
  const std::string at = path + ".respond";
  if (!route.rollouts().empty() || route.upstream || route.mirror || route.rewrite) {
    in.error_at(at, at + ": it takes the place of rollout, split, upstream, rewrite and mirror");
  }
  const std::string status = std::to_string(respond.status);
  if (is_redirect(respond.status) && respond.location.empty()) {
    in.error_at(at, at + ": a " + status + " says where to", "add location: /PATH");
  }
  if (!is_redirect(respond.status) && !respond.location.empty()) {
    in.error_at_value(
        at + ".location", at + ".location: a " + status + " is no redirect", "use status: 308");
  }
  const bool bodyless = respond.status == 204 || respond.status == 205 || respond.status == 304;
  if (bodyless && !respond.body.empty()) {
    in.error_at_value(at + ".body", at + ".body: a " + status + " has none");
  }
  check_headers(respond, at, in);
}

void check_deprecation(const Deprecation& deprecation, const std::string& path, Reader& in) {
  if (deprecation == Deprecation{}) {
    in.error_at(path, path + ": it says nothing", "add a date or a sunset");
  }
  if (!deprecation.date || !deprecation.sunset || *deprecation.sunset >= *deprecation.date) return;
  in.error_at_value(path + ".sunset",
                    path + ".sunset: " + format_time(*deprecation.sunset) +
                        " is before its deprecation, " + format_time(*deprecation.date));
}

// Such a request is refused before any route is looked for.
void warn_of_escaped_slash(const Config& config,
                           const Match& match,
                           const std::string& path,
                           Reader& in) {
  if (match.path.find("%2F") == std::string::npos || in.is_bad("listeners")) return;
  const auto takes = [](const Listener& listener) { return listener.encoded_slashes; };
  if (std::any_of(config.listeners.begin(), config.listeners.end(), takes)) return;
  in.warn_at(path,
             path + ": no request comes here, every listener refuses a path with %2F",
             "set encoded_slashes: true at the listener");
}

}  // namespace

void check_route_rules(const Config& config, Reader& in) {
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    const std::string path = "routes[" + std::to_string(i) + "]";
    if (in.is_bad(path)) continue;
    warn_of_escaped_slash(config, route.match, path + ".match", in);
    if (route.rewrite && !in.is_bad("rollouts")) {
      check_rewrite(config, route, path + ".rewrite", in);
    }
    if (route.respond) check_respond(route, path, in);
    if (route.deprecation) check_deprecation(*route.deprecation, path + ".deprecation", in);
  }
}

}  // namespace canaryd::config
