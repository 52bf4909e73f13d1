// Routes: rewriting, answers of our own, the end of a route; and the map of the migration.
#include "canaryd/base/units.hpp"
#include "config/fields.hpp"

#include <algorithm>
#include <array>

namespace canaryd::config {
namespace {

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool begins_as_reference(std::string_view text) {
  if (text.starts_with('/')) return !text.starts_with("//");
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const std::string_view host = text.substr(scheme.size());
    return !host.empty() && std::string_view("/?#{").find(host.front()) == std::string_view::npos;
  }
  return false;
}

bool is_link(std::string_view text) {
  return begins_as_reference(text) && is_visible(text) &&
         text.find_first_of("<>\"\\^`{|}") == std::string_view::npos;
}

// What is put in brings its own slash or question mark: behind a slash it would begin with two,
// which names another host.
bool is_location(std::string_view text) {
  if (!begins_as_reference(text) || !is_visible(text)) return false;
  if (text.find_first_of("<>\"\\^`|") != std::string_view::npos) return false;
  constexpr std::array<std::string_view, 3> kParts{"{path}", "{rest}", "{query}"};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '}') return false;
    if (text[i] != '{') continue;
    const auto part = std::find_if(kParts.begin(), kParts.end(), [&](std::string_view each) {
      return text.substr(i).starts_with(each);
    });
    if (part == kParts.end() || text[i - 1] == '/') return false;
    if (text.find(*part) != i) return false;
    i += part->size() - 1;
  }
  return true;
}

// A target with it is refused at the door, so it must not arise behind it.
bool is_upstream_path(std::string_view text) {
  return path_rule().check(text) && text.find("%2F") == std::string_view::npos;
}

bool is_value(std::string_view text) {
  return text.front() != ' ' && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool is_body(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= ' ' && byte != 0x7f) || c == '\n' || c == '\t';
  });
}

// "2026-08-01" or RFC 3339 in UTC; whole seconds, as the fields have them.
Codec<WallTime> date() {
  constexpr const char* kWhat = "a date such as 2026-08-01 or 2026-08-01T12:00:00Z";
  Codec<WallTime> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = kWhat;
  codec.shape.pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:]{8}Z)?$|\\$\\{";
  codec.read = [](Reader& in, const Node& node, WallTime& out) {
    if (node.kind != Node::Kind::kScalar) return in.expected(node, kWhat);
    const auto time = parse_time(node.text.size() == 10 ? node.text + "T00:00:00Z" : node.text);
    if (!time || node.text.find('.') != std::string::npos) return in.expected(node, kWhat);
    out = *time;
    return true;
  };
  codec.write = [](const WallTime& time, const Names& /*names*/) {
    return std::optional(Node::string(format_time(time)));
  };
  return codec;
}

TextRule link_rule() {
  return {"an absolute path or an http URL", "(/|https?://)[!-~]*", is_link, 1024};
}

// A map from names to values, in the file's order.
Codec<std::vector<HeaderField>> header_fields() {
  constexpr std::size_t kFieldsMax = 16;
  const auto value = text({"a header value", "", is_value, 1024});
  Codec<std::vector<HeaderField>> codec;
  codec.shape.kind = Shape::Kind::kNamed;
  codec.shape.type = "map of header names to values";
  codec.shape.pattern = header_name_rule().pattern;
  codec.shape.element = std::make_shared<Shape>(value.shape);
  codec.read = [value](Reader& in, const Node& node, std::vector<HeaderField>& out) {
    if (node.kind != Node::Kind::kMap) return in.expected(node, "a map of headers");
    if (node.entries.size() > kFieldsMax) return in.error(node, "more than 16 headers");
    bool good = true;
    for (const Node::Entry& entry : node.entries) {
      HeaderField& field = out.emplace_back();
      if (!header_name_rule().check(entry.key) || entry.key.size() > 128) {
        good = in.error(entry.value, quoted(entry.key) + " is not a header name");
        continue;
      }
      const auto scope = in.enter(entry);
      field.name = entry.key;
      good = value.read(in, entry.value, field.value) && good;
    }
    return good;
  };
  codec.write = [](const std::vector<HeaderField>& fields,
                   const Names& /*names*/) -> std::optional<Node> {
    Node node = Node::map();
    for (const HeaderField& field : fields) node.add(field.name, Node::string(field.value));
    return node;
  };
  return codec;
}

}  // namespace

const Section<Rewrite>& rewrite_section() {
  static const auto made = [] {
    Section<Rewrite> s("Rewrite");
    s.require(
        "path",
        &Rewrite::path,
        text({"a path that begins with /, without query, //, dot segments or escaped slashes",
              "/[^?# ]*",
              is_upstream_path,
              2048}),
        "What the upstream gets in place of `match.path_prefix`, `path_exact` or "
        "`path_template`, whose variables it has; what follows a prefix stays, and so does the "
        "query.");
    s.add("upstream",
          &Rewrite::upstream,
          optional(upstream_reference()),
          "Only requests that go to this upstream, such as the new one of a rollout; left out: "
          "all.");
    s.add("location",
          &Rewrite::location,
          boolean(),
          "Back again in `Location` and `Content-Location`, where they name the client's host, the "
          "endpoint's address or no host.");
    s.add("cookie_path",
          &Rewrite::cookie_path,
          boolean(),
          "Back again in the `Path` of `Set-Cookie`, but for cookies named `__Host-...`.");
    s.add("cookie_domain",
          &Rewrite::cookie_domain,
          text(host_rule()),
          "In place of the `Domain` of `Set-Cookie`, where there is one with a value; left out: it "
          "stays.");
    return s;
  }();
  return made;
}

const Section<Respond>& respond_section() {
  static const auto made = [] {
    Section<Respond> s("Respond");
    s.require("status",
              &Respond::status,
              narrow<std::uint16_t>(integer(200, 599)),
              "Such as 410 for what is gone, or 308 for what has moved.");
    s.add(
        "location",
        &Respond::location,
        text({"a path or http URL with {path}, {rest} or {query}, each once and not behind a slash",
              "(/|https?://)[!-~]*",
              is_location,
              2048}),
        "Where to, for 301, 302, 303, 307 and 308; `{path}`: the path of the request, `{rest}`: "
        "what follows `match.path_prefix`, `{query}`: `?` and the query, or nothing.");
    s.add("headers", &Respond::headers, header_fields(), "Further headers.").default_value.reset();
    s.add("body",
          &Respond::body,
          text({"a text of at most 4096 bytes", "", is_body, 4096}),
          "Left out: none.");
    s.add("content_type",
          &Respond::content_type,
          text({"a media type", "", is_value, 255}),
          "Of the body.");
    return s;
  }();
  return made;
}

const Section<Deprecation>& deprecation_section() {
  static const auto made = [] {
    Section<Deprecation> s("Deprecation");
    s.add("date",
          &Deprecation::date,
          optional(date()),
          "Since when, or from when on, it is deprecated: `Deprecation`.");
    s.add("sunset",
          &Deprecation::sunset,
          optional(date()),
          "From when on it is likely to be gone: `Sunset`.");
    s.add("link",
          &Deprecation::link,
          text(link_rule()),
          "More about its deprecation: `Link` with rel=\"deprecation\".");
    s.add("sunset_link",
          &Deprecation::sunset_link,
          text(link_rule()),
          "More about its end: rel=\"sunset\".");
    s.add("successor",
          &Deprecation::successor,
          text(link_rule()),
          "What replaces it: rel=\"successor-version\".");
    return s;
  }();
  return made;
}

const Section<Migration>& migration_section() {
  static const auto made = [] {
    Section<Migration> s("Migration");
    s.add("from",
          &Migration::from,
          list_of(upstream_reference(), 1, 100),
          "The upstreams that are to be left.")
        .default_note = "those that rollouts lead away from";
    s.add("watch_paths",
          &Migration::watch_paths,
          boolean(),
          "Finds out what those requests ask for that no route names: which have none, or only one "
          "for everything.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
