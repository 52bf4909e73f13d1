// The names of nginx' servers, and which of them is the default: the one for every other host.
#pragma once

#include "convert/nginx_blocks.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace canaryd::convert {

// "shop.example", or where it is, of one without a name.
[[nodiscard]] std::string title_of(const Directive& server);

class Servers {
 public:
  // Of all servers first, in the order of the file.
  void add(const Directive& server);

  // As routes have them, empty for any; what a route cannot have is a warning.
  [[nodiscard]] std::vector<std::string> hosts_of(Draft& draft, const Directive& server);

  // Whether others have the name as well, such as one for port 80 and one for 443.
  [[nodiscard]] bool is_shared(const std::string& name) const;

  // The routes of the default server become those of every host, or a warning says that they do
  // not.
  void open_default(Draft& draft) const;

 private:
  [[nodiscard]] bool is_default_name(const std::string& name) const;

  const Directive* default_ = nullptr;
  std::vector<std::string> default_names_;
  std::vector<Note> default_patterns_;
  std::set<std::string> other_names_;
  std::map<std::string, std::size_t> servers_;  // Of each name, how many.
};

}  // namespace canaryd::convert
