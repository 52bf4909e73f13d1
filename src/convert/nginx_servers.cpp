#include "convert/nginx_servers.hpp"

#include "convert/nginx_routes.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::convert {
namespace {

bool is_pattern(std::string_view server_name) {
  return server_name.find('*') != server_name.npos || server_name.starts_with('~');
}

// Of every host that no other server is called, where the server is the default of its address.
bool is_no_name(std::string_view server_name) {
  return server_name.empty() || server_name == "_";
}

// One that says of a port that it is the server for other names.
bool says_default(const Directive& server) {
  return std::any_of(server.block.begin(), server.block.end(), [](const Directive& directive) {
    const auto& words = directive.words;
    return words[0] == "listen" &&
           std::any_of(words.begin() + 1, words.end(), [](const std::string& word) {
             return word == "default_server" || word == "default";
           });
  });
}

// As nginx and canaryd compare them. In a pattern a capital may be part of the grammar.
std::string as_compared(std::string name) {
  if (is_pattern(name)) return name;
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

template <class Visit>
void each_name(const Directive& server, Visit visit) {
  for (const Directive& directive : server.block) {
    if (directive.words[0] != "server_name") continue;
    for (std::size_t i = 1; i < directive.words.size(); ++i) {
      visit(as_compared(directive.words[i]), directive.line);
    }
  }
}

}  // namespace

std::string title_of(const Directive& server) {
  std::string title;
  each_name(server, [&](const std::string& name, std::uint32_t) {
    if (title.empty() && !is_no_name(name)) title = name;
  });
  return title.empty() ? "of line " + std::to_string(server.line) : title;
}

void Servers::add(const Directive& server) {
  std::set<std::string> names;
  each_name(server, [&](const std::string& name, std::uint32_t) { names.insert(name); });
  for (const std::string& name : names) ++servers_[name];
  if (default_ == nullptr || (!says_default(*default_) && says_default(server))) {
    default_ = &server;
  }
}

std::vector<std::string> Servers::hosts_of(Draft& draft, const Directive& server) {
  const bool is_default = &server == default_;
  bool patterns = false;
  std::vector<std::string> hosts;
  each_name(server, [&](const std::string& written, std::uint32_t line) {
    if (is_no_name(written)) {
      if (is_default) hosts.emplace_back();
      return;
    }
    // ".example.com" is example.com and all below it.
    const bool and_below = written.starts_with('.') && written.size() > 1;
    if (and_below) hosts.push_back(written.substr(1));
    const std::string name = and_below ? "*" + written : written;
    if (!is_default) other_names_.insert(and_below ? written.substr(1) : written);
    if (!is_pattern(name)) return hosts.push_back(name);
    patterns = true;
    Note note{line, "server_name " + name + " is left out: hosts are whole names"};
    // The default server has its patterns as well, once its routes are for every host.
    if (is_default) return default_patterns_.push_back(std::move(note));
    draft.warn(note.line, std::move(note.message));
  });
  if (is_default && hosts.empty()) hosts.emplace_back();
  if (hosts.empty() && !patterns) {
    draft.warn(server.line,
               "server " + title_of(server) +
                   " is left out: it has no name and is not the first, or default, server, whose "
                   "routes are for every host here");
  }
  if (is_default) default_names_ = hosts;
  return hosts;
}

bool Servers::is_shared(const std::string& name) const {
  const auto found = servers_.find(name);
  return found != servers_.end() && found->second > 1;
}

bool Servers::is_default_name(const std::string& name) const {
  return std::find(default_names_.begin(), default_names_.end(), name) != default_names_.end();
}

void Servers::open_default(Draft& draft) const {
  if (default_ == nullptr || is_default_name("")) return;
  if (open_to_every_host(draft.routes, default_names_, other_names_)) return;
  for (const Note& note : default_patterns_) draft.warn(note.line, note.message);
  bool has_routes = false;
  for (const DraftRoute& route : draft.routes) {
    if (route.host.empty()) return;  // Another server is for every host here.
    has_routes = has_routes || is_default_name(route.host);
  }
  if (!has_routes) return;
  draft.warn(default_->line,
             "this server is nginx' default, which has the hosts that no server is called: here "
             "they are answered with 404, as without a host its routes would also take what the "
             "other hosts have no location for");
}

}  // namespace canaryd::convert
