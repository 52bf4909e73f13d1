// Routes. What is accepted here must be canonical for routing/routing_table.hpp, which refuses the
// rest: see tests/unit/config/routable_test.cpp.
#include "canaryd/routing/path_template.hpp"
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_method(std::string_view text) {
  return is_token(text) &&
         std::none_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

bool is_host(std::string_view text) {
  return text.front() != '.' && text.back() != '.' && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

// Value of an upper-case hex digit, -1 for anything else.
int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "%2F" and the like: upper case, and only for what may not stand there unescaped.
bool is_canonical_escape(std::string_view text) noexcept {
  if (text.size() < 3) return false;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  if (high < 0 || low < 0) return false;
  const int byte = high * 16 + low;
  const auto c = static_cast<char>(byte);
  const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
  return byte >= 0x20 && byte != 0x7f && c != '\\' && !unreserved;
}

// "." and "..", also before a ";parameter" or between escaped slashes, where some servers look for
// them.
bool has_dot_segment(std::string path) {
  for (std::size_t at = path.find("%2F"); at != std::string::npos; at = path.find("%2F")) {
    path.replace(at, 3, "/");
  }
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end).substr(0, rest.substr(0, end).find(';'));
    if (segment == "." || segment == "..") return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

// In the form that requests are compared in.
bool is_path(std::string_view text) {
  if (text.front() != '/' || text.find("//") != std::string_view::npos) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c <= ' ' || c >= 0x7f || c == '?' || c == '#' || c == '\\') return false;
    if (c == '%' && !is_canonical_escape(text.substr(i))) return false;
  }
  return !has_dot_segment(std::string(text));
}

bool is_header_value(std::string_view text) {
  return text.front() != ' ' && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte >= 0x20 && byte != 0x7f;
         });
}

const Section<HeaderMatch>& header_match_section() {
  static const auto made = [] {
    Section<HeaderMatch> s("Header condition");
    s.require(
        "name", &HeaderMatch::name, text(header_name_rule()), "Name of the header, in any case.");
    s.add("equals",
          &HeaderMatch::equals,
          optional(text({"a header value", "", is_header_value, 1024})),
          "Its whole value; left out, it is enough that the header is there.");
    s.unsupported({"matches"});
    return s;
  }();
  return made;
}

struct RawMatch {
  std::string host;
  std::optional<std::string> path_exact;
  std::optional<std::string> path_prefix;
  std::optional<std::string> path_template;
  std::vector<std::string> methods;
  std::vector<HeaderMatch> headers;
};

Codec<std::string> path_template() {
  Codec<std::string> codec = text(path_rule());
  codec.read = [read = std::move(codec.read)](Reader& in, const Node& node, std::string& out) {
    if (!read(in, node, out)) return false;
    const auto shape = routing::parse_template(out);
    return shape ? true : in.error(node, shape.error().context);
  };
  return codec;
}

const Section<RawMatch>& match_section() {
  static const auto made = [] {
    const TextRule path = path_rule();
    Section<RawMatch> s("Match");
    s.add("host", &RawMatch::host, text(host_rule()), "Host of the request; left out, any.");
    s.add("path_exact", &RawMatch::path_exact, optional(text(path)), "The path, whole.");
    s.add("path_prefix",
          &RawMatch::path_prefix,
          optional(text(path)),
          "Leading segments of the path: `/api` fits `/api` and `/api/x`, not `/apix`.")
        .default_note = "`/`, without the two others";
    s.add("path_template",
          &RawMatch::path_template,
          optional(path_template()),
          "The path with variables: in `/orders/{id}`, `{id}` is exactly one segment, not empty.");
    s.add("methods",
          &RawMatch::methods,
          list_of(
              text({"a method in upper case", "[A-Z0-9!#$%&'*+.^_`|~-]+", is_method, 32}), 1, 32),
          "Methods of the request; left out, any.")
        .default_value.reset();
    s.add("headers",
          &RawMatch::headers,
          list_of(section(header_match_section()), 1, 32),
          "Conditions on headers; all must hold.")
        .default_value.reset();
    return s;
  }();
  return made;
}

bool to_match(Reader& in, const Node& node, const RawMatch& raw, Match& out) {
  const int given = int{raw.path_exact.has_value()} + int{raw.path_prefix.has_value()} +
                    int{raw.path_template.has_value()};
  if (given > 1) {
    return in.error(node, "path_exact, path_prefix and path_template exclude each other");
  }
  out = {raw.host, Match::Path::kPrefix, raw.path_prefix.value_or("/"), raw.methods, raw.headers};
  if (raw.path_exact) {
    out.path_kind = Match::Path::kExact;
    out.path = *raw.path_exact;
  } else if (raw.path_template) {
    out.path_kind = Match::Path::kTemplate;
    out.path = *raw.path_template;
  }
  return true;
}

RawMatch from_match(const Match& match) {
  RawMatch raw{match.host, {}, {}, {}, match.methods, match.headers};
  switch (match.path_kind) {
    case Match::Path::kPrefix:
      raw.path_prefix = match.path;
      break;
    case Match::Path::kExact:
      raw.path_exact = match.path;
      break;
    case Match::Path::kTemplate:
      raw.path_template = match.path;
  }
  return raw;
}

const Section<routing::Lane>& lane_section() {
  static const auto made = [] {
    using routing::Lane;
    Section<Lane> s("Lane");
    s.require("rollout", &Lane::rollout, rollout_reference(), "The rollout of these users.");
    s.require("users", &Lane::users, weight(), "Their share of the route's users, in percent.");
    return s;
  }();
  return made;
}

const Section<RouteTimeouts>& route_timeouts_section() {
  static const auto made = [] {
    using namespace std::chrono_literals;
    constexpr Duration kDay = 24h;
    Section<RouteTimeouts> s("Route timeouts");
    s.add("request",
          &RouteTimeouts::request,
          optional(duration(0s, kDay)),
          "For the whole exchange, retries included; `0s`: none.");
    s.add("first_byte",
          &RouteTimeouts::first_byte,
          optional(duration(0s, kDay)),
          "From the request's last byte to the response's first, and as long again for the rest of "
          "its head; `0s`: none.");
    s.add("body_idle",
          &RouteTimeouts::body_idle,
          optional(duration(0s, kDay)),
          "Without a byte of the response's body, or without the upstream taking one of the "
          "request's; `0s`: none.");
    s.add("per_try",
          &RouteTimeouts::per_try,
          optional(duration(0s, kDay)),
          "For one try, while the upstream's `retries` allow another one; `0s`: none.");
    return s;
  }();
  return made;
}

}  // namespace

TextRule header_name_rule() {
  return {"a header name", "[A-Za-z0-9!#$%&'*+.^_`|~-]+", is_token, 128};
}

TextRule path_rule() {
  return {"a path that begins with /, without query, //, dot segments or needless escapes",
          "/[^?# ]*",
          is_path,
          2048};
}

TextRule host_rule() {
  return {"a host in lower case, without port", "[a-z0-9._-]+", is_host, 253};
}

TextRule cookie_name_rule() {
  return {"a cookie name", "[A-Za-z0-9!#$%&'*+.^_`|~-]+", is_token, 128};
}

const Section<Route>& route_section() {
  static const auto made = [] {
    Section<Route> s("Route");
    s.require("name", &Route::name, name(), "Its name in metrics, logs and messages.");
    s.add("match",
          &Route::match,
          through(match_section(), to_match, from_match),
          "Which requests it takes; the most specific route wins, whatever the order.")
        .default_note = "everything";
    s.add("rollout",
          &Route::rollout,
          optional(rollout_reference()),
          "The rollout that splits its traffic. Either this, `split`, `upstream` or `respond`.");
    s.add("split",
          &Route::split,
          list_of(section(lane_section()), 1, routing::kLanesMax),
          "Several rollouts from one stable version to different canaries, each with its own share "
          "of the users, who stay with it.")
        .default_value.reset();
    s.add("upstream",
          &Route::upstream,
          optional(upstream_reference()),
          "The upstream that gets all of it.");
    s.add("respond",
          &Route::respond,
          optional(section(respond_section())),
          "An answer that canaryd gives itself, in place of all three.");
    s.add("rewrite",
          &Route::rewrite,
          optional(section(rewrite_section())),
          "Other paths at the upstream than clients ask for; not set: the same.");
    s.add("deprecation",
          &Route::deprecation,
          optional(section(deprecation_section())),
          "What responses say of the route's end (RFC 9745, RFC 8594), unless their upstream says "
          "so itself.");
    s.add("timeouts",
          &Route::timeouts,
          section(route_timeouts_section()),
          "In place of its upstream's; what is left out is the upstream's.");
    s.add("mirror",
          &Route::mirror,
          optional(section(mirror_section())),
          "Copies of some requests for another upstream, whose answers are thrown away; not set: "
          "none.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
