// What nginx answers itself, and what it does with requests that no location or server is for.
#pragma once

#include "convert/nginx_blocks.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace canaryd::convert {

// A location that became no route.
struct LeftLocation {
  std::string host;  // Empty: any.
  std::string path;
  std::uint32_t line = 0;
  bool is_pattern = false;
  std::string prefix = "/";  // Of a pattern: that its requests have.
};

// What `return` says of a block, a location or a server, and `deny all` of those whose rules are
// for it; nothing: neither, or not for all its requests.
[[nodiscard]] std::optional<DraftAnswer> answer_of(Draft& draft,
                                                   const Directive& block,
                                                   const std::vector<const Directive*>& access);

// Whether the directive keeps somebody out, so that without it a route is more open than it was.
[[nodiscard]] bool is_guard(const Directive& directive);

// An `if` that turns requests away.
[[nodiscard]] bool refuses(const Directive& directive);

// Requests for a Host that no server is called are nginx' default server's: the routes of its names
// become those of every host. False: there is one for every host already, or one of the others, the
// names of other servers, has no location for some paths, which would go there then.
[[nodiscard]] bool open_to_every_host(std::vector<DraftRoute>& routes,
                                      const std::vector<std::string>& names,
                                      const std::set<std::string>& others);

// Says where the requests of each go now.
void warn_of_left_locations(Draft& draft, const std::vector<LeftLocation>& locations);

// "/api/" and "/api" are the same prefix here.
[[nodiscard]] std::string without_slash(const std::string& path);

}  // namespace canaryd::convert
