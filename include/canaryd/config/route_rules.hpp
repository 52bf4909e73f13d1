// What a route does beside sending requests somewhere: other paths upstream, an answer of its own,
// and what it says of its end. Part of config.hpp.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::config {

// In place of what match.path names, for requests, and back again in responses.
struct Rewrite {
  std::string path;
  std::optional<UpstreamId> upstream;  // Only what goes there; nullopt: everything.
  bool location = true;
  bool cookie_path = true;
  std::string cookie_domain;  // Empty: stays.
  friend bool operator==(const Rewrite&, const Rewrite&) = default;
};

struct HeaderField {
  std::string name;
  std::string value;
  friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

// A route that canaryd answers itself.
struct Respond {
  std::uint16_t status = 0;  // 200 to 599.
  std::string location;      // With {path}, {rest}, {query}; set exactly for the redirects.
  std::vector<HeaderField> headers;
  std::string body;
  std::string content_type = "text/plain; charset=utf-8";  // Of a body that is not empty.
  friend bool operator==(const Respond&, const Respond&) = default;
};

// RFC 9745, RFC 8594: what its responses say, if their upstream does not say it.
struct Deprecation {
  std::optional<WallTime> date;    // nullopt: not deprecated, or not yet known from when on.
  std::optional<WallTime> sunset;  // Not before the date.
  std::string link;                // Links: rel="deprecation",
  std::string sunset_link;         // "sunset",
  std::string successor;           // "successor-version"; empty: none.
  friend bool operator==(const Deprecation&, const Deprecation&) = default;
};

}  // namespace canaryd::config
