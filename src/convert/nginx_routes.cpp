#include "convert/nginx_routes.hpp"

#include "canaryd/base/text.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

namespace canaryd::convert {
namespace {

constexpr std::array<std::string_view, 8> kGuards = {"allow",
                                                     "auth_basic",
                                                     "auth_jwt",
                                                     "auth_request",
                                                     "deny",
                                                     "internal",
                                                     "limit_except",
                                                     "ssl_verify_client"};
constexpr std::array<std::string_view, 5> kRedirects = {"301", "302", "303", "307", "308"};

bool is_redirect(std::string_view status) {
  return std::find(kRedirects.begin(), kRedirects.end(), status) != kRedirects.end();
}

bool is_url(std::string_view text) {
  return text.starts_with('/') || text.starts_with("http://") || text.starts_with("https://");
}

// As respond.location has it, whose words for the path and the query are those of $request_uri.
// Empty: it cannot be said there.
std::string location_from(std::string_view url) {
  constexpr std::string_view kAsked = "$request_uri";
  std::string out(url);
  const std::size_t asked = out.find(kAsked);
  if (asked != std::string::npos) {
    if (asked == 0 || out[asked - 1] == '/') return {};
    out.replace(asked, kAsked.size(), "");
  }
  const auto is_plain = [](char c) {
    return c > ' ' && c <= '~' &&
           std::string_view("<>\"\\^`{|}$").find(c) == std::string_view::npos;
  };
  const std::size_t scheme = out.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const bool named = scheme == std::string::npos
                         ? !out.starts_with("//")
                         : host < out.size() && out[host] != '/' && out[host] != '?' &&
                               out[host] != '#' && asked != host;
  if (!is_url(out) || !named || out.size() > 2000) return {};
  if (!std::all_of(out.begin(), out.end(), is_plain)) return {};
  if (asked != std::string::npos) out.insert(asked, "{path}{query}");
  return out;
}

// As respond.body has it: what is the same in every answer.
bool can_be_body(const std::string& status, const std::string& text) {
  constexpr std::size_t kBytesMax = 4096;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = utf8_sequence_length(rest);
    if (length == 0) return false;
    rest.remove_prefix(length);
  }
  const auto is_kept = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return c == '\n' || c == '\t' || (byte >= ' ' && byte != 0x7f && c != '$');
  };
  return status != "204" && status != "205" && text.size() <= kBytesMax &&
         std::all_of(text.begin(), text.end(), is_kept);
}

// return URL; return CODE; return CODE URL; return CODE TEXT;
std::optional<DraftAnswer> read_return(Draft& draft, const Directive& directive) {
  const std::vector<std::string>& words = directive.words;
  if (words.size() < 2 || words.size() > 3) return std::nullopt;
  DraftAnswer answer;
  const bool bare = words.size() == 2 && is_url(words[1]);
  answer.status = bare ? "302" : words[1];
  if (is_redirect(answer.status)) {
    answer.location = location_from(words.back());
    if (answer.location.empty()) return std::nullopt;
    return answer;
  }
  const bool number = answer.status.size() == 3 &&
                      std::all_of(answer.status.begin(), answer.status.end(), [](char c) {
                        return c >= '0' && c <= '9';
                      });
  // 444 closes the connection without an answer.
  if (!number || answer.status < "200" || answer.status > "599" || answer.status[0] == '3' ||
      answer.status == "444") {
    return std::nullopt;
  }
  if (words.size() < 3) return answer;
  if (can_be_body(answer.status, words[2])) {
    answer.body = words[2];
  } else {
    draft.warn(directive.line, "return " + answer.status + ": its text is not carried over");
  }
  return answer;
}

using Way =
    std::tuple<bool, std::string, std::string, std::string, std::string, std::string, std::string>;

Way way_of(const DraftRoute& route) {
  return {route.exact,
          without_slash(route.path),
          route.rollout,
          route.upstream,
          route.answer.status,
          route.answer.location,
          route.answer.body};
}

bool fits(const DraftRoute& route, const std::string& host, const std::string& path) {
  if (route.exact || route.host != host) return false;
  const std::string prefix = without_slash(route.path);
  return prefix == "/" || path == prefix || path.starts_with(prefix + '/');
}

const DraftRoute* find(const std::vector<DraftRoute>& routes,
                       const std::string& host,
                       const std::string& path) {
  const DraftRoute* best = nullptr;
  for (const DraftRoute& route : routes) {
    if (!fits(route, host, path)) continue;
    if (best == nullptr || best->path.size() < route.path.size()) best = &route;
  }
  return best != nullptr || host.empty() ? best : find(routes, "", path);
}

}  // namespace

std::string without_slash(const std::string& path) {
  return path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

std::optional<DraftAnswer> answer_of(Draft& draft,
                                     const Directive& block,
                                     const std::vector<const Directive*>& access) {
  const Directive* answer = nullptr;
  for (const Directive& directive : block.block) {
    const std::string& name = directive.words[0];
    if (name == "if" || name == "rewrite") return std::nullopt;
    if (name == "return" && answer == nullptr) answer = &directive;
  }
  bool denied = false;
  for (const Directive* const rules : access) {
    for (const Directive& directive : rules->block) {
      const std::string& name = directive.words[0];
      if (name == "allow" || name == "satisfy") return std::nullopt;
      const bool denies = name == "deny" && directive.words.size() == 2;
      denied = denied || (denies && directive.words[1] == "all");
    }
  }
  // nginx looks at `return` first.
  if (answer != nullptr) return read_return(draft, *answer);
  return denied ? std::optional(DraftAnswer{"403", ""}) : std::nullopt;
}

bool is_guard(const Directive& directive) {
  return std::find(kGuards.begin(), kGuards.end(), directive.words[0]) != kGuards.end();
}

bool refuses(const Directive& directive) {
  return directive.words[0] == "if" &&
         std::any_of(directive.block.begin(), directive.block.end(), [](const Directive& one) {
           const auto& words = one.words;
           const bool turned_away = words[0] == "return" && words.size() > 1 &&
                                    (words[1].starts_with('4') || words[1].starts_with('5'));
           return turned_away || is_guard(one);
         });
}

bool open_to_every_host(std::vector<DraftRoute>& routes,
                        const std::vector<std::string>& names,
                        const std::set<std::string>& others) {
  std::map<std::string, std::set<Way>> ways;
  std::set<std::string> whole;  // Hosts with a route for every path.
  for (const DraftRoute& route : routes) {
    ways[route.host].insert(way_of(route));
    if (!route.exact && route.path == "/") whole.insert(route.host);
  }
  const auto has_routes = [&](const std::string& name) { return ways.contains(name); };
  const auto opened = std::find_if(names.begin(), names.end(), has_routes);
  if (has_routes("") || opened == names.end()) return false;
  std::set<std::string> same;
  std::set<std::string> kept = others;
  for (const std::string& name : names) {
    const bool is_same = !has_routes(name) || ways[name] == ways[*opened];
    (is_same ? same : kept).insert(name);
  }
  const auto is_closed = [&](const std::string& name) {
    return same.contains(name) || whole.contains(name);
  };
  if (!std::all_of(kept.begin(), kept.end(), is_closed)) return false;
  std::erase_if(routes, [&](const DraftRoute& route) {
    return route.host != *opened && same.contains(route.host);
  });
  for (DraftRoute& route : routes) {
    if (route.host == *opened) route.host.clear();
  }
  return true;
}

void warn_of_left_locations(Draft& draft, const std::vector<LeftLocation>& locations) {
  for (const LeftLocation& location : locations) {
    // What a pattern is for may be under any path below that.
    const DraftRoute* const route =
        find(draft.routes, location.host, location.is_pattern ? location.prefix : location.path);
    std::string now = "are answered with 404";
    if (route != nullptr) {
      now = "go to " + (route->rollout.empty() ? route->upstream : route->rollout);
      if (!route->answer.status.empty()) now = "are answered with " + route->answer.status;
      now += ", as those for " + route->path;
    }
    draft.warn(location.line,
               "location " + location.path +
                   (location.is_pattern
                        ? " is left out: routes are paths and prefixes, not patterns; where no "
                          "longer path fits, requests for it "
                        : " is no route here: requests for it ") +
                   now);
  }
}

}  // namespace canaryd::convert
