// Mirrors that would never copy anything.
#include "config/codec.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <string>

namespace canaryd::config {
namespace {

bool has_method(const Mirror& mirror, std::string_view text) {
  return std::any_of(mirror.methods.begin(), mirror.methods.end(), [&](Method method) {
    return word_of(kMirrorMethods, method) == text;
  });
}

void check_mirror(const Config& config, const Route& route, const std::string& path, Reader& in) {
  const Mirror& mirror = *route.mirror;
  if (route.upstream && *route.upstream == mirror.to) {
    in.error_at_value(path + ".to",
                      path + ".to: all of the route's requests go to " +
                          quoted(config.upstream(mirror.to).name) + " already");
  }
  const auto& methods = route.match.methods;
  const bool copies =
      methods.empty() || std::any_of(methods.begin(), methods.end(), [&](const std::string& each) {
        return has_method(mirror, each);
      });
  if (copies) return;
  in.warn_at(path,
             path + ": nothing is copied: the route takes none of the mirror's methods",
             "list the route's methods in mirror.methods, if their requests may be sent twice");
}

}  // namespace

void check_mirrors(const Config& config, Reader& in) {
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const std::string path = "routes[" + std::to_string(i) + "]";
    if (!config.routes[i].mirror || in.is_bad(path)) continue;
    check_mirror(config, config.routes[i], path + ".mirror", in);
  }
}

}  // namespace canaryd::config
