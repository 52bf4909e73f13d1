#include "canaryd/http/rewrite.hpp"

#include "canaryd/http/chars.hpp"

#include <algorithm>
#include <cstring>

namespace canaryd::http {
namespace {

// RFC 6265bis section 4.1.3.2.
constexpr std::string_view kHostPrefix = "__Host-";

std::string_view without_slash(std::string_view path) noexcept {
  if (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

bool is_plain_text(std::string_view path) noexcept {
  return std::all_of(
      path.begin(), path.end(), [](char c) { return c > ' ' && c <= '~' && c != '\\'; });
}

// RFC 3986 section 2.3: written without an escape in canonical paths.
bool needs_no_escape(char c) noexcept {
  const char letter = lower(c);
  return is_digit(c) || (letter >= 'a' && letter <= 'z') || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

// The first character, in canonical form: of "%c3" it is "%C3", of "%61" it is "a". Empty: a broken
// escape.
std::string take_character(std::string_view& path) {
  constexpr std::string_view kCapitals = "0123456789ABCDEF";
  const char first = path.front();
  if (first != '%') {
    path.remove_prefix(1);
    return std::string(1, first);
  }
  const int high = path.size() > 2 ? hex_digit(path[1]) : -1;
  const int low = path.size() > 2 ? hex_digit(path[2]) : -1;
  if (high < 0 || low < 0) return {};
  path.remove_prefix(3);
  const auto c = static_cast<char>(high * 16 + low);
  if (needs_no_escape(c)) return std::string(1, c);
  return {'%', kCapitals[static_cast<std::size_t>(high)], kCapitals[static_cast<std::size_t>(low)]};
}

// What follows a canonical path in one whose escapes may be written otherwise (RFC 3986 section
// 6.2.2); nothing: it begins with another one.
std::optional<std::string_view> behind_same(std::string_view path, std::string_view canonical) {
  while (!canonical.empty()) {
    if (path.empty()) return std::nullopt;
    const std::string next = take_character(path);
    if (next.empty() || !canonical.starts_with(next)) return std::nullopt;
    canonical.remove_prefix(next.size());
  }
  return path;
}

bool is_same(std::string_view path, std::string_view canonical) {
  const auto rest = behind_same(path, canonical);
  return rest && rest->empty();
}

// What a prefix leaves of a path: empty, or from a slash on; nothing if it does not fit.
std::optional<std::string_view> behind(std::string_view path, std::string_view prefix) {
  const auto rest = behind_same(path, prefix);
  if (rest && !rest->empty() && rest->front() != '/') return std::nullopt;
  return rest;
}

std::string joined(std::string_view prefix, std::string_view rest) {
  std::string path(prefix);
  path += rest;
  if (path.empty()) path = "/";
  return path;
}

// The first segment of a path that begins with a slash; the rest begins with the next one.
std::string_view take_segment(std::string_view& path) noexcept {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

std::string_view segment_at(std::string_view path, std::size_t index) noexcept {
  while (index-- > 0 && !path.empty()) take_segment(path);
  return path.empty() ? path : take_segment(path);
}

bool is_variable(std::string_view segment) noexcept {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

struct Reference {
  std::string_view origin;     // Scheme and authority, as written; may be empty.
  std::string_view authority;  // Without the "//".
  std::string_view port = "80";
  std::string_view path;
  std::string_view tail;  // Query and fragment, with their marks.
};

// Nothing for the references of other schemes.
std::optional<Reference> split(std::string_view text) noexcept {
  Reference parts;
  std::string_view rest = text;
  const std::size_t mark = std::min(rest.find_first_of(":/?#"), rest.size());
  if (mark < rest.size() && rest[mark] == ':') {
    const std::string_view scheme = rest.substr(0, mark);
    const bool https = equals_ignore_case(scheme, "https");
    if (!https && !equals_ignore_case(scheme, "http")) return std::nullopt;
    if (https) parts.port = "443";
    rest.remove_prefix(mark + 1);
    if (!rest.starts_with("//")) return std::nullopt;
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    parts.authority = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(parts.authority.size());
    parts.origin = text.substr(0, text.size() - rest.size());
  }
  parts.path = rest.substr(0, rest.find_first_of("?#"));
  parts.tail = rest.substr(parts.path.size());
  if (!parts.origin.empty() && parts.path.empty()) parts.path = "/";
  return parts;
}

bool names(const Authority& authority, std::string_view other, std::string_view port) noexcept {
  Authority parsed;
  return parse_authority(other, parsed) && same_authority(authority, parsed, port);
}

}  // namespace

bool is_rewritten_path(std::string_view path) noexcept {
  if (!path.starts_with('/') || path.find('?') != std::string_view::npos) return false;
  RequestHead head;
  head.method_text = "GET";
  head.method = Method::kGet;
  head.target = path;
  head.version_minor = 0;
  std::string scratch(target_scratch_bytes(head), '\0');
  Target target;
  return !parse_target(head, {}, scratch, target) && target.forwarded == path;
}

namespace {

// 1 of ".", 2 of "..", 0 of all others: also where the dots are written as escapes (RFC 3986
// section 6.2.2.2), which browsers take for dots.
unsigned dots_of(std::string_view segment) {
  unsigned dots = 0;
  while (!segment.empty()) {
    if (take_character(segment) != "." || ++dots > 2) return 0;
  }
  return dots;
}

}  // namespace

std::optional<std::string> resolve_path(std::string_view base, std::string_view path) {
  if (path.empty() || !is_plain_text(path)) return std::nullopt;
  std::string merged;
  if (path.front() != '/') merged = base.substr(0, base.rfind('/') + 1);
  merged += path;
  std::string out = "/";
  std::string_view rest = merged;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    const bool last = end == rest.size();
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const unsigned dots = dots_of(segment);
    if (segment.empty() || dots == 1) continue;
    if (dots == 2) {
      if (out.size() > 1) out.erase(out.rfind('/', out.size() - 2) + 1);
      continue;
    }
    out += segment;
    if (!last) out += '/';
  }
  return out;
}

PathMapping::PathMapping(Kind kind, std::string_view from, std::string_view to)
    : kind_(kind),
      from_(kind == Kind::kPrefix ? without_slash(from) : from),
      to_(kind == Kind::kPrefix ? without_slash(to) : to) {
  if (kind != Kind::kTemplate) return;
  from_pieces_ = pieces_of(from_, to_);
  to_pieces_ = pieces_of(to_, from_);
}

PathMapping::Pieces PathMapping::pieces_of(std::string_view path, std::string_view other) {
  Pieces pieces;
  while (!path.empty()) {
    const std::string_view segment = take_segment(path);
    Piece piece{std::string(segment), std::nullopt};
    std::string_view rest = other;
    for (std::size_t at = 0; is_variable(segment) && !rest.empty(); ++at) {
      if (take_segment(rest) == segment) piece.segment = at;
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

bool PathMapping::fits(std::string_view path, const Pieces& pieces) {
  for (const Piece& piece : pieces) {
    if (path.empty()) return false;
    const std::string_view segment = take_segment(path);
    if (piece.segment ? segment.empty() : !is_same(segment, piece.literal)) return false;
  }
  return path.empty();
}

std::string_view PathMapping::to_upstream(const Target& target,
                                          std::span<char> scratch) const noexcept {
  if (target.path == "*") return target.forwarded;
  std::string_view rest = target.forwarded;
  if (kind_ == Kind::kTemplate) {
    char* end = scratch.data();
    for (const Piece& piece : to_pieces_) {
      *end++ = '/';
      const std::string_view segment =
          piece.segment ? segment_at(target.path, *piece.segment) : piece.literal;
      end = std::copy(segment.begin(), segment.end(), end);
    }
    rest.remove_prefix(target.path.size());
    end = std::copy(rest.begin(), rest.end(), end);
    return {scratch.data(), static_cast<std::size_t>(end - scratch.data())};
  }
  rest.remove_prefix(kind_ == Kind::kExact ? target.path.size() : from_.size());
  // "/catalog" without what follows it, where nothing stands in its place.
  const bool bare = to_.empty() && !rest.starts_with('/');
  char* end = std::copy(to_.begin(), to_.end(), scratch.data());
  if (bare) *end++ = '/';
  end = std::copy(rest.begin(), rest.end(), end);
  return {scratch.data(), static_cast<std::size_t>(end - scratch.data())};
}

std::optional<std::string> PathMapping::path_to_client(std::string_view path) const {
  if (kind_ == Kind::kExact) {
    if (is_same(path, to_)) return from_;
    return std::nullopt;
  }
  if (kind_ == Kind::kTemplate) {
    if (!path.starts_with('/') || !fits(path, to_pieces_)) return std::nullopt;
    std::string out;
    for (const Piece& piece : from_pieces_) {
      out += '/';
      out += piece.segment ? segment_at(path, *piece.segment) : std::string_view(piece.literal);
    }
    return out;
  }
  const auto rest = behind(path, to_);
  if (!rest) return std::nullopt;
  return joined(from_, *rest);
}

std::optional<std::string> PathMapping::location_to_client(std::string_view location,
                                                           const UpstreamPlace& place) const {
  const auto parts = split(location);
  if (!parts) return std::nullopt;
  std::string out;
  if (!parts->origin.empty()) {
    Authority authority;
    if (!parse_authority(parts->authority, authority)) return std::nullopt;
    if (names(authority, place.authority, parts->port)) {
      out = parts->origin;
    } else if (!names(authority, place.endpoint, parts->port)) {
      return std::nullopt;
    }
  }
  const auto resolved = resolve_path(place.path, parts->path);
  if (!resolved) return std::nullopt;
  const auto path = path_to_client(*resolved);
  if (!path) return std::nullopt;
  out += *path;
  out += parts->tail;
  return out;
}

// A cookie for all of a prefix is one for the prefix itself as well.
std::optional<std::string> PathMapping::cookie_path(std::string_view path) const {
  if (!path.starts_with('/') || !is_plain_text(path)) return std::nullopt;
  if (kind_ == Kind::kPrefix && to_.empty() && path == "/") return joined(from_, {});
  return path_to_client(path);
}

std::optional<std::string> PathMapping::cookie_to_client(std::string_view cookie,
                                                         bool path,
                                                         std::string_view domain) const {
  // Browsers drop it if its path is another than "/", or it has a domain.
  if (equals_ignore_case(trim(cookie).substr(0, kHostPrefix.size()), kHostPrefix)) {
    return std::nullopt;
  }
  std::string out;
  bool changed = false;
  for (bool first = true;; first = false) {
    const std::size_t end = std::min(cookie.find(';'), cookie.size());
    const std::string_view part = cookie.substr(0, end);
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::string_view name = trim(part.substr(0, equals));
    const std::string_view value = trim(part.substr(std::min(equals + 1, part.size())));
    std::optional<std::string> instead;
    if (!first && path && equals_ignore_case(name, "Path")) instead = cookie_path(value);
    // Without a value it says no more than none: of the host that sent it alone.
    const bool widens = value.empty() || value == ".";
    if (!first && !domain.empty() && !widens && equals_ignore_case(name, "Domain")) {
      instead = domain;
    }
    if (instead) {
      out.append(part.substr(0, equals)).append("=").append(*instead);
      changed = true;
    } else {
      out += part;
    }
    if (end == cookie.size()) break;
    out += ';';
    cookie.remove_prefix(end + 1);
  }
  if (!changed) return std::nullopt;
  return out;
}

}  // namespace canaryd::http
