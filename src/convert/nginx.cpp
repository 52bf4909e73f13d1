// nginx: split_clients, upstream, and the locations that lead to them.
#include "convert/nginx_locations.hpp"
#include "convert/nginx_routes.hpp"
#include "convert/nginx_servers.hpp"
#include "convert/nginx_upstreams.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace canaryd::convert {
namespace {

// Weights of the steps after the share that the file has now.
constexpr const char* kFurtherSteps[] = {"1", "5", "10", "25", "50", "100"};

// Of server names and locations together.
constexpr std::size_t kRoutesMax = 1000;

constexpr const char* kKeepsNobodyOut = "it keeps nobody out here";

bool is_word_of_variable(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// "${remote_addr}AAA" as its variables and the constant text around them.
struct Template {
  std::vector<std::string> variables;
  std::string constant;

  [[nodiscard]] std::string first() const { return variables.empty() ? "" : variables.front(); }
};
Template read_template(std::string_view text) {
  Template out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '$') {
      out.constant += text[i++];
      continue;
    }
    const bool braces = i + 1 < text.size() && text[i + 1] == '{';
    std::size_t end = i + (braces ? 2 : 1);
    const std::size_t begin = end;
    while (end < text.size() && is_word_of_variable(text[end])) ++end;
    out.variables.emplace_back(text.substr(begin, end - begin));
    i = braces && end < text.size() ? end + 1 : end;
  }
  return out;
}

// What proxy_pass and its like name as the upstream: "http://$version/path" is "$version".
std::string_view host_part(std::string_view target) {
  const std::size_t scheme = target.find("://");
  if (scheme != target.npos) target.remove_prefix(scheme + 3);
  return target.substr(0, target.find('/'));
}

// The variables that name an upstream anywhere in the file.
void find_passed(const std::vector<Directive>& directives, std::set<std::string>& passed) {
  for (const Directive& directive : directives) {
    find_passed(directive.block, passed);
    if (!directive.words[0].ends_with("_pass") || directive.words.size() != 2) continue;
    const Template target = read_template(host_part(directive.words[1]));
    passed.insert(target.variables.begin(), target.variables.end());
  }
}

// The cohort key that a variable stands for; empty: there is none.
std::string key_of(std::string_view variable) {
  if (variable == "remote_addr" || variable == "binary_remote_addr") return "{client_ip: true}";
  if (variable == "request_id" || variable == "msec" || variable == "connection") {
    return "{per_request: true}";
  }
  if (variable.starts_with("cookie_")) return "{cookie: " + quoted(variable.substr(7)) + "}";
  if (variable.starts_with("arg_")) return "{query: " + quoted(variable.substr(4)) + "}";
  if (!variable.starts_with("http_")) return {};
  std::string header(variable.substr(5));
  std::replace(header.begin(), header.end(), '_', '-');
  return "{header: " + quoted(header) + "}";
}

class Reader {
 public:
  explicit Reader(Draft& draft) : draft_(draft) {}

  void read(const std::vector<Directive>& directives) {
    find_passed(directives, passed_);
    // Upstreams first: the others name them.
    each(directives, "upstream", [this](const Directive& one) {
      read_nginx_upstream(draft_, one, upstreams_);
    });
    each(directives, "split_clients", [this](const Directive& one) { read_split(one); });
    each(directives, "server", [this](const Directive& one) { servers_.add(one); });
    each(directives, "server", [this](const Directive& one) { read_server(one); });
    warn_of_rest(directives);
    if (draft_.rollouts.empty() && draft_.errors.empty()) {
      if (left_out_ != nullptr) return refuse_value(*left_out_);
      draft_.error(0, "there is no split_clients block that chooses between two upstreams");
    }
    servers_.open_default(draft_);
    add_missing_routes();
    warn_of_left_locations(draft_, left_locations_);
    drop_unused_upstreams();
  }

 private:
  template <class Visit>
  void each(const std::vector<Directive>& directives, std::string_view name, Visit visit) {
    for (const Directive& directive : directives) {
      if (directive.words[0] == "http") each(directive.block, name, visit);
      if (directive.words[0] == name && directive.has_block) visit(directive);
    }
  }

  void warn_of_rest(const std::vector<Directive>& directives) {
    for (const Directive& directive : directives) {
      const std::string& name = directive.words[0];
      if (name == "http" && directive.has_block) {
        warn_of_rest(directive.block);
      } else if (name != "upstream" && name != "split_clients" && name != "server") {
        warn_of_directive(draft_, directive);
      }
    }
  }

  // ---- split_clients TEXT $variable { 5% canary; * stable; }

  void read_split(const Directive& block) {
    const std::string variable =
        block.words.size() == 3 ? read_template(block.words[2]).first() : "";
    if (variable.empty()) {
      return draft_.error(block.line, "split_clients needs a text and a variable");
    }
    for (const Directive& entry : block.block) {
      if (entry.words.size() != 2 || entry.has_block) {
        return draft_.error(entry.line, "expected a percentage or *, and a value");
      }
    }
    if (is_of_something_else(block, variable)) {
      if (left_out_ == nullptr) left_out_ = &block.block.front();
      return draft_.warn(
          block.line,
          "split_clients " + block.words[2] + " is left out: its values are no upstreams");
    }
    DraftRollout rollout;
    rollout.line = block.line;
    rollout.name = name_from(variable);
    const auto is_same = [&](const DraftRollout& other) { return other.name == rollout.name; };
    if (std::any_of(draft_.rollouts.begin(), draft_.rollouts.end(), is_same)) {
      return draft_.error(block.line, "there are two split_clients called " + rollout.name);
    }
    read_key(block, rollout);
    const Directive* const rest = rest_of(draft_, block.block);
    std::string share;
    for (const Directive& entry : block.block) {
      if (!read_share(entry, &entry == rest, rollout, share)) return;
    }
    if (rollout.stable.empty() || rollout.canary.empty()) {
      return draft_.error(block.line, "expected a share for the canary, and * for the rest");
    }
    for (const char* const further : kFurtherSteps) {
      double value = 0;
      const auto weight = percent_from(further, value);
      const double last = rollout.steps.empty() ? 0 : rollout.steps.back().percent;
      if (weight && value > last) rollout.steps.push_back({*weight, value, {}, {}});
    }
    draft_.warn(block.line,
                rollout.manual
                    ? "the canary has " + share + ", so the rollout waits for `canaryctl start " +
                          rollout.name + "`; the steps are those of the defaults, with 50"
                    : "canaryd begins at the first step, " + share +
                          "; the steps after it are those of the defaults, with 50");
    draft_.warn(block.line, "other users than before are in the canary: another hash chooses them");
    variables_[variable] = rollout.name;
    draft_.rollouts.push_back(std::move(rollout));
  }

  // Like a sample of the lines of a log: it chooses between words, and no pass directive names it.
  bool is_of_something_else(const Directive& block, const std::string& variable) const {
    const auto is_upstream = [this](const Directive& entry) {
      return upstreams_.contains(entry.words[1]);
    };
    return !block.block.empty() && !passed_.contains(variable) &&
           std::none_of(block.block.begin(), block.block.end(), is_upstream);
  }

  void refuse_value(const Directive& entry) {
    draft_.error(entry.line,
                 "the value " + quoted(entry.words[1]) +
                     " is not the name of an upstream block in this file");
  }

  void read_key(const Directive& block, DraftRollout& rollout) {
    const Template text = read_template(block.words[1]);
    rollout.key = key_of(text.first());
    rollout.salt = text.constant;
    if (rollout.key.empty()) {
      rollout.key = "{client_ip: true}";
      draft_.warn(block.line,
                  "the key " + quoted(block.words[1]) +
                      " is not known here: the client's address is taken");
    } else if (text.variables.size() > 1) {
      draft_.warn(block.line,
                  "of the key " + quoted(block.words[1]) + " only the first variable is taken");
    }
  }

  bool read_share(const Directive& entry, bool is_rest, DraftRollout& rollout, std::string& share) {
    const auto found = upstreams_.find(entry.words[1]);
    if (found == upstreams_.end()) {
      refuse_value(entry);
      return false;
    }
    if (is_rest || entry.words[0] == "*") {
      rollout.stable = found->second;
      return true;
    }
    if (!rollout.canary.empty()) {
      draft_.warn(
          entry.line,
          "the share for " + entry.words[1] + " is left out: a rollout has one canary, the first");
      return true;
    }
    if (!entry.words[0].ends_with('%')) {
      draft_.error(entry.line, "expected a percentage such as 5%, or *");
      return false;
    }
    rollout.canary = found->second;
    share = entry.words[0];
    const std::string percent = share.substr(0, share.size() - 1);
    double value = 0;
    // Parked: to begin by itself is the last thing that is wanted of it.
    rollout.manual = percent_from(percent, value) && value <= 0;
    if (!rollout.manual) add_step(draft_, rollout, entry.line, percent);
    return true;
  }

  // ---- server { server_name ...; location PATH { proxy_pass http://$variable; } }

  void read_server(const Directive& block) {
    const std::vector<std::string> hosts = servers_.hosts_of(draft_, block);
    const bool answered = answer_all(block, hosts);
    for (const Directive& directive : block.block) {
      if (!draft_.errors.empty()) return;
      const std::string& name = directive.words[0];
      if (answered && (name == "return" || name == "location")) continue;
      if (is_location(directive)) {
        for (const std::string& host : hosts) read_location({&directive, &block.block}, host);
      } else if (name == "listen") {
        warn_of_listen(directive);
      } else if (name != "server_name") {
        warn_of_lost(directive, "server " + title_of(block));
      }
    }
  }

  // Who could not connect to that address can here.
  void warn_of_listen(const Directive& directive) {
    std::string address;
    for (std::size_t i = 1; i < directive.words.size(); ++i) address += ' ' + directive.words[i];
    draft_.warn(directive.line,
                "listen" + address +
                    " is not carried over: see --listen; each server is served on "
                    "every listener here");
  }

  // Of what decides about requests each place is named: another one of the same is another fact.
  void warn_of_lost(const Directive& directive, const std::string& where) {
    const std::string& name = directive.words[0];
    const bool keeps_out = is_guard(directive) || refuses(directive);
    const bool decides = name == "if" || name == "rewrite" || name == "return";
    if (!keeps_out && !decides) return warn_of_directive(draft_, directive);
    draft_.warn_each(directive.line,
                     name + " of " + where + " is not carried over" +
                         (keeps_out ? std::string(": ") + kKeepsNobodyOut : std::string()));
  }

  // `return` of a server comes before its locations.
  bool answer_all(const Directive& block, const std::vector<std::string>& hosts) {
    const auto returns = [](const Directive& one) { return one.words[0] == "return"; };
    const auto found = std::find_if(block.block.begin(), block.block.end(), returns);
    if (found == block.block.end()) return false;
    bool answered = false;
    for (const std::string& host : hosts) {
      DraftRoute route;
      route.line = found->line;
      route.host = host;
      route.answer = own_answer(block, {&block}, host);
      if (route.answer.status.empty()) continue;
      put_route(std::move(route), nullptr);
      answered = true;
    }
    return answered;
  }

  void read_location(const Location& location, const std::string& host) {
    const Directive& block = *location.block;
    if (block.words.size() < 2 || block.words.size() > 3) {
      return draft_.error(block.line, "location needs a path");
    }
    const std::string& path = location.path();
    if (const std::string why = why_not_reached(location); !why.empty()) {
      return draft_.warn(block.line, "location " + path + " is left out: " + why);
    }
    const bool named = path.starts_with('@');  // Clients do not ask for it.
    const bool pattern = location.is_pattern();
    if (named) {
      draft_.warn(block.line,
                  "location " + path + " is left out: routes are paths and prefixes, not patterns");
    }
    DraftRoute route;
    route.line = block.line;
    route.host = host;
    route.path = path;
    route.exact = location.is_exact();
    if (!pattern) route.answer = own_answer(block, access_blocks(location), host);
    const bool routed = read_contents(location, route, !pattern);
    if (!route.answer.status.empty()) {
      put_route(std::move(route), &location);
    } else if (!named && !routed) {
      left_locations_.push_back({host, path, block.line, pattern, location.prefix()});
    }
    read_nested(location, host);
  }

  // Nothing that leads somewhere, or answers, is for them as well.
  void read_nested(const Location& location, const std::string& host) {
    const std::vector<Directive>& inside = location.block->block;
    for (const Directive& directive : inside) {
      if (!draft_.errors.empty()) return;
      if (is_location(directive)) read_location({&directive, &inside, &location}, host);
    }
  }

  DraftAnswer own_answer(const Directive& block,
                         const std::vector<const Directive*>& access,
                         const std::string& host) {
    const auto answer = answer_of(draft_, block, access);
    // Of a name with a server for port 80 and one for 443 a redirect is to the other, which is the
    // same host here, and would be sent on to itself for good; so would one of all hosts to a host
    // that has no location for some path.
    const bool leaves = answer && !answer->location.empty() && answer->location[0] != '/';
    if (!answer || (leaves && (servers_.is_shared(host) || host.empty()))) return {};
    return *answer;
  }

  // Whether one of them has made a route.
  bool read_contents(const Location& location, const DraftRoute& route, bool passes) {
    bool routed = false;
    const bool answered = !route.answer.status.empty();
    for (const Directive& directive : location.block->block) {
      const std::string& name = directive.words[0];
      if (name == "proxy_pass" && directive.words.size() == 2) {
        if (passes && !answered) routed = add_route(location, directive, route) || routed;
      } else if (is_location(directive) || (answered && (name == "return" || name == "deny"))) {
        continue;
      } else {
        warn_of_lost(directive, "location " + location.path());
      }
    }
    return routed;
  }

  bool add_route(const Location& location, const Directive& pass, DraftRoute route) {
    std::string target = pass.words[1];
    if (target.starts_with("http://")) target = target.substr(7);
    const std::size_t slash = std::min(target.find('/'), target.size());
    if (slash < target.size()) {
      draft_.warn(pass.line, "proxy_pass " + pass.words[1] + ": the path is not rewritten");
    }
    target.resize(slash);
    route.line = pass.line;
    const auto variable = variables_.find(read_template(target).first());
    const auto upstream = upstreams_.find(target);
    if (variable != variables_.end()) {
      route.rollout = variable->second;
    } else if (upstream != upstreams_.end()) {
      route.upstream = upstream->second;
    } else {
      draft_.warn(
          pass.line,
          "proxy_pass " + pass.words[1] + " is left out: it leads to no block of this file");
      return false;
    }
    put_route(std::move(route), &location);
    return true;
  }

  // Servers of one name, such as those of port 80 and 443, are one host here, and a location with a
  // slash at its end is the one without: of two routes for the same requests only one can stay.
  void put_route(DraftRoute route, const Location* location) {
    if (draft_.routes.size() == kRoutesMax) {
      return draft_.error(route.line, "more than " + std::to_string(kRoutesMax) + " routes");
    }
    const Directive* const block = location == nullptr ? nullptr : location->block;
    const auto [place, is_first] = places_.try_emplace(
        {route.host, route.exact, without_slash(route.path)}, Place{draft_.routes.size(), block});
    if (is_first) {
      route.name = unique_name(name_from((route.host.empty() ? "all" : route.host) + route.path));
      if (!route.exact && !route.path.ends_with('/')) {
        draft_.warn(route.line,
                    "location " + route.path + " takes whole segments of a path here: not " +
                        route.path + "x, which nginx sends there too");
      }
      return draft_.routes.push_back(std::move(route));
    }
    DraftRoute& kept = draft_.routes[place->second.index];
    if (kept.rollout == route.rollout && kept.upstream == route.upstream &&
        kept.answer == route.answer) {
      return;
    }
    // The longer location has the more requests, of two of one path the one that is in the other
    // has all of them; and without its route a rollout is nothing.
    const bool same_path = kept.path.size() == route.path.size();
    const bool inner =
        same_path && location != nullptr && is_within(*location, place->second.block);
    const bool better = same_path ? inner || (kept.rollout.empty() && !route.rollout.empty())
                                  : kept.path.size() < route.path.size();
    if (better) {
      route.name = kept.name;
      std::swap(kept, route);
      place->second.block = block;
    }
    draft_.warn(route.line,
                "location " + route.path + (route.host.empty() ? "" : " of " + route.host) +
                    " is left out: that of line " + std::to_string(kept.line) +
                    (inner ? ", which is in it, has its requests"
                           : " is for the same requests, and leads elsewhere"));
  }

  std::string unique_name(std::string name) {
    const std::string first = name.substr(0, 58);
    for (int i = 2; !route_names_.insert(name).second; ++i) name = first + "-" + std::to_string(i);
    return name;
  }

  void add_missing_routes() {
    for (const DraftRollout& rollout : draft_.rollouts) {
      const auto leads_there = [&](const DraftRoute& route) {
        return route.rollout == rollout.name;
      };
      if (std::any_of(draft_.routes.begin(), draft_.routes.end(), leads_there)) continue;
      if (draft_.rollouts.size() > 1) {
        draft_.error(rollout.line,
                     "no location of the file leads to " + rollout.name +
                         ", and there are several split_clients: which requests are its own?");
        return;
      }
      draft_.warn(rollout.line,
                  "no location of the file leads to " + rollout.name + ": its route is /");
      draft_.routes.push_back(
          {unique_name(rollout.name), "", "/", false, rollout.name, "", rollout.line});
    }
  }

  void drop_unused_upstreams() {
    std::set<std::string> used;
    for (const DraftRollout& rollout : draft_.rollouts)
      used.insert({rollout.stable, rollout.canary});
    for (const DraftRoute& route : draft_.routes) used.insert(route.upstream);
    std::erase_if(draft_.upstreams, [&](const DraftUpstream& upstream) {
      if (used.contains(upstream.name)) return false;
      draft_.warn(upstream.line, "upstream " + upstream.name + " is left out: nothing leads to it");
      return true;
    });
  }

  struct Place {
    std::size_t index = 0;
    const Directive* block = nullptr;  // The location that the route is of; null: a whole server.
  };

  Draft& draft_;
  UpstreamNames upstreams_;
  std::map<std::string, std::string> variables_;  // To the name of the rollout.
  std::set<std::string> passed_;                  // Variables.
  Servers servers_;
  std::vector<LeftLocation> left_locations_;
  const Directive* left_out_ = nullptr;  // The first value of a split_clients of something else.
  // Of each host, exact or not, and path, where in draft_.routes its route is.
  std::map<std::tuple<std::string, bool, std::string>, Place> places_;
  std::set<std::string> route_names_;
};

}  // namespace

void read_nginx(Draft& draft, std::string_view text) {
  const std::vector<Directive> directives = read_directives(draft, text);
  if (draft.errors.empty()) Reader(draft).read(directives);
}

}  // namespace canaryd::convert
