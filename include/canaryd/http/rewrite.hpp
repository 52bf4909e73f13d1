// One path and what stands in its place upstream: requests are mapped on their way there, what
// responses say of paths on its way back, so that a client sees only the paths it asks for.
//
// A prefix is replaced segment by segment: with /catalog in place of /v2, /catalog/x?y goes out as
// /v2/x?y and comes back as /catalog/x?y; an exact path is replaced whole, and a template segment
// by segment, "{name}" in the one being the segment that is "{name}" in the other: with
// /v1/orders/{id} in place of /o/{id}, /o/7 goes out as /v1/orders/7. The query stays as it came.
// What the mapping makes of a canonical target (uri.hpp) is canonical again.
//
// Responses are untrusted. What cannot be mapped for sure is left as it is: other hosts, other
// paths, backslashes, and what is no visible ASCII (a browser may drop it, and read the rest as
// another host's name).
//
// Pure; any thread, immutable. Limits: those of the heads.
#pragma once

#include "canaryd/http/uri.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::http {

// Canonical, and without %2F, which servers read differently: fit to stand in a target.
[[nodiscard]] bool is_rewritten_path(std::string_view path) noexcept;

// Of which hosts an absolute reference is one to the upstream itself, and where the request went.
struct UpstreamPlace {
  std::string_view authority;  // What Host said; stays in the reference.
  std::string_view endpoint;   // Its address, "10.0.0.1:8080"; does not.
  std::string_view path;       // The path that went out: what relative references are relative to.
};

class PathMapping {
 public:
  enum class Kind : std::uint8_t { kPrefix, kExact, kTemplate };

  // Both are canonical paths; `to` is_rewritten_path(). A slash at the end of a prefix means
  // nothing. Templates have the same variables, each once.
  PathMapping(Kind kind, std::string_view from, std::string_view to);

  // Scratch that is surely enough for this target.
  [[nodiscard]] std::size_t scratch_bytes(const Target& target) const noexcept {
    return target.forwarded.size() + to_.size() + 1;
  }
  // Path and query for the upstream, in the scratch. The path is one that `from` fits; "*" stays.
  [[nodiscard]] std::string_view to_upstream(const Target& target,
                                             std::span<char> scratch) const noexcept;

  // These say what to put in place of the value; nothing: it stays.

  // A path, absolute, of the upstream. Its escapes may be written otherwise than in `to`; what
  // `to` does not name stays as it is written.
  [[nodiscard]] std::optional<std::string> path_to_client(std::string_view path) const;
  // Location, Content-Location (RFC 9110 sections 10.2.2 and 8.7): absolute, //host, absolute path
  // or relative path. A reference to the endpoint's address becomes a path.
  [[nodiscard]] std::optional<std::string> location_to_client(std::string_view location,
                                                              const UpstreamPlace& place) const;
  // The value of Set-Cookie (RFC 6265 section 5.2): the attribute Path, and with a `domain` the
  // attribute Domain, if there is one with a value. One of "__Host-" stays as it is.
  [[nodiscard]] std::optional<std::string> cookie_to_client(std::string_view cookie,
                                                            bool path,
                                                            std::string_view domain) const;

 private:
  // A segment of a template: itself, or which one of the other template's it is.
  struct Piece {
    std::string literal;
    std::optional<std::size_t> segment;
  };
  using Pieces = std::vector<Piece>;

  [[nodiscard]] static Pieces pieces_of(std::string_view path, std::string_view other);
  [[nodiscard]] static bool fits(std::string_view path, const Pieces& pieces);
  [[nodiscard]] std::optional<std::string> cookie_path(std::string_view path) const;

  Kind kind_;
  std::string from_;    // A prefix is without its slash at the end; "/" is the empty one.
  std::string to_;      // The same.
  Pieces from_pieces_;  // Of templates.
  Pieces to_pieces_;
};

// The path of a reference relative to `base`, without dot segments (RFC 3986 section 5.2) and
// repeated slashes; nothing if it is empty, or no path that can be told for sure.
[[nodiscard]] std::optional<std::string> resolve_path(std::string_view base, std::string_view path);

}  // namespace canaryd::http
