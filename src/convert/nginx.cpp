// nginx: split_clients, upstream, and the locations that lead to them.
#include "canaryd/base/ip.hpp"
#include "canaryd/base/units.hpp"
#include "convert/nginx_blocks.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace canaryd::convert {
namespace {

// Weights of the steps after the share that the file has now.
constexpr const char* kFurtherSteps[] = {"1", "5", "10", "25", "50", "100"};

// Of server names and locations together.
constexpr std::size_t kRoutesMax = 1000;

bool is_word_of_variable(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// "${remote_addr}AAA" as its first variable and the constant text around the variables.
struct Template {
  std::string variable;
  std::string constant;
  int variables = 0;
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
    if (out.variables++ == 0) out.variable = text.substr(begin, end - begin);
    i = braces && end < text.size() ? end + 1 : end;
  }
  return out;
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
    // Upstreams first: the others name them.
    each(directives, "upstream", [this](const Directive& one) { read_upstream(one); });
    each(directives, "split_clients", [this](const Directive& one) { read_split(one); });
    each(directives, "server", [this](const Directive& one) { read_server(one); });
    warn_of_rest(directives);
    if (draft_.rollouts.empty() && draft_.errors.empty()) {
      draft_.error(0, "there is no split_clients block that chooses between two upstreams");
    }
    add_missing_routes();
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
        not_carried_over(directive, "");
      }
    }
  }

  void not_carried_over(const Directive& directive, const std::string& why) {
    draft_.warn(directive.line,
                directive.words[0] + " is not carried over" + (why.empty() ? "" : ": " + why));
  }

  // ---- upstream NAME { server ...; }

  void read_upstream(const Directive& block) {
    if (block.words.size() != 2) return draft_.error(block.line, "upstream needs one name");
    DraftUpstream upstream;
    upstream.line = block.line;
    upstream.name = name_from(draft_, block.line, block.words[1]);
    upstream.load_balancer = "round_robin";
    for (const Directive& directive : block.block) {
      const std::string& name = directive.words[0];
      if (name == "server") {
        read_upstream_server(directive, upstream);
      } else if (name == "least_conn") {
        upstream.load_balancer = "least_request";
      } else if (name == "ip_hash" || name == "hash") {
        upstream.load_balancer = "consistent_hash";
        draft_.warn(directive.line, name + " is consistent_hash: by the sticky key of the request");
      } else if (name == "keepalive" || name == "keepalive_timeout" || name == "zone") {
        not_carried_over(directive, "canaryd keeps connections by itself (timeouts.keep_alive)");
      } else {
        not_carried_over(directive, "");
      }
    }
    if (!upstream.dns.empty() && !upstream.endpoints.empty()) {
      draft_.warn(block.line,
                  "upstream " + upstream.name + ": " + upstream.dns +
                      " is left out, because endpoints are addresses or one name");
      upstream.dns.clear();
    }
    if (upstream.dns.empty() && upstream.endpoints.empty()) {
      return draft_.error(block.line,
                          "upstream " + upstream.name +
                              " has no server that can be "
                              "carried over");
    }
    if (draft_.find_upstream(upstream.name) != nullptr) {
      return draft_.error(block.line, "there are two upstreams called " + upstream.name);
    }
    upstreams_[block.words[1]] = upstream.name;
    draft_.upstreams.push_back(std::move(upstream));
  }

  void read_upstream_server(const Directive& directive, DraftUpstream& upstream) {
    if (directive.words.size() < 2) return draft_.error(directive.line, "server needs an address");
    DraftEndpoint endpoint;
    endpoint.line = directive.line;
    const std::string& address = directive.words[1];
    for (std::size_t i = 2; i < directive.words.size(); ++i) {
      if (!read_parameter(directive, directive.words[i], endpoint, upstream)) return;
    }
    if (address.starts_with("unix:")) {
      draft_.warn(directive.line, "server " + address + " is left out: Unix sockets are not built");
      return;
    }
    const bool has_port = address.find(':') != std::string::npos && !address.ends_with(']');
    endpoint.address = has_port ? address : address + ":80";
    if (parse_socket_address(endpoint.address)) {
      upstream.endpoints.push_back(std::move(endpoint));
    } else if (upstream.dns.empty()) {
      upstream.dns = endpoint.address;
    } else {
      draft_.warn(directive.line,
                  "server " + address +
                      " is left out: an upstream has one name, "
                      "whose addresses are its endpoints");
    }
  }

  // False: the server is left out.
  bool read_parameter(const Directive& directive,
                      const std::string& parameter,
                      DraftEndpoint& endpoint,
                      DraftUpstream& upstream) {
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::string name = parameter.substr(0, equals);
    const std::string value = parameter.substr(std::min(equals + 1, parameter.size()));
    const bool number =
        !value.empty() && value.size() <= 4 &&
        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (name == "weight" && number) {
      endpoint.weight = value == "1" ? "" : value;
    } else if (name == "max_fails" && number) {
      upstream.failures = static_cast<std::uint32_t>(std::stoul(value));
      if (upstream.ejection == Duration::zero()) upstream.ejection = std::chrono::seconds(10);
    } else if (name == "fail_timeout" && parse_duration(number ? value + "s" : value)) {
      upstream.ejection = parse_duration(number ? value + "s" : value).value();
      if (upstream.failures == 0) upstream.failures = 1;
    } else if (name == "backup" || name == "down") {
      draft_.warn(directive.line, "server " + directive.words[1] + " is left out: it is " + name);
      return false;
    } else {
      draft_.warn(directive.line, parameter + " of a server is not carried over");
    }
    return true;
  }

  // ---- split_clients TEXT $variable { 5% canary; * stable; }

  void read_split(const Directive& block) {
    if (block.words.size() != 3 || !block.words[2].starts_with('$') || block.words[2].size() == 1) {
      return draft_.error(block.line, "split_clients needs a text and a variable");
    }
    DraftRollout rollout;
    rollout.line = block.line;
    const std::string variable = block.words[2].substr(1);
    rollout.name = name_from(variable);
    const auto is_same = [&](const DraftRollout& other) { return other.name == rollout.name; };
    if (std::any_of(draft_.rollouts.begin(), draft_.rollouts.end(), is_same)) {
      return draft_.error(block.line, "there are two split_clients called " + rollout.name);
    }
    read_key(block, rollout);
    std::string share;
    for (const Directive& entry : block.block) {
      if (entry.words.size() != 2 || entry.has_block) {
        return draft_.error(entry.line, "expected a percentage or *, and a value");
      }
      if (!read_share(entry, rollout, share)) return;
    }
    if (rollout.stable.empty() || rollout.canary.empty()) {
      return draft_.error(block.line, "expected a share for the canary, and * for the rest");
    }
    for (const char* const further : kFurtherSteps) {
      double value = 0;
      const auto weight = percent_from(further, value);
      if (weight && !rollout.steps.empty() && value > rollout.steps.back().percent) {
        rollout.steps.push_back({*weight, value, {}, {}});
      }
    }
    draft_.warn(block.line,
                "canaryd begins at the first step, " + share +
                    "; the steps after it are those of the defaults, with 50");
    draft_.warn(block.line, "other users than before are in the canary: another hash chooses them");
    variables_[variable] = rollout.name;
    draft_.rollouts.push_back(std::move(rollout));
  }

  void read_key(const Directive& block, DraftRollout& rollout) {
    const Template text = read_template(block.words[1]);
    rollout.key = key_of(text.variable);
    rollout.salt = text.constant;
    if (rollout.key.empty()) {
      rollout.key = "{client_ip: true}";
      draft_.warn(block.line,
                  "the key " + quoted(block.words[1]) +
                      " is not known here: the client's address is taken");
    } else if (text.variables > 1) {
      draft_.warn(block.line,
                  "of the key " + quoted(block.words[1]) + " only the first variable is taken");
    }
  }

  bool read_share(const Directive& entry, DraftRollout& rollout, std::string& share) {
    const auto found = upstreams_.find(entry.words[1]);
    if (found == upstreams_.end()) {
      draft_.error(entry.line,
                   "the value " + quoted(entry.words[1]) +
                       " is not the name of an upstream block in this file");
      return false;
    }
    if (entry.words[0] == "*") {
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
    add_step(draft_, rollout, entry.line, share.substr(0, share.size() - 1));
    return true;
  }

  // ---- server { server_name ...; location PATH { proxy_pass http://$variable; } }

  void read_server(const Directive& block) {
    std::vector<std::string> hosts;
    for (const Directive& directive : block.block) {
      if (directive.words[0] == "server_name") {
        hosts.insert(hosts.end(), directive.words.begin() + 1, directive.words.end());
      }
    }
    if (hosts.empty()) hosts.emplace_back();
    for (const Directive& directive : block.block) {
      if (!draft_.errors.empty()) return;
      const std::string& name = directive.words[0];
      if (name == "location" && directive.has_block) {
        for (const std::string& host : hosts) read_location(directive, host);
      } else if (name == "listen") {
        not_carried_over(directive, "see --listen");
      } else if (name != "server_name") {
        not_carried_over(directive, "");
      }
    }
  }

  void read_location(const Directive& block, const std::string& host) {
    const bool modified = block.words.size() == 3;
    const std::string modifier = modified ? block.words[1] : "";
    if (block.words.size() < 2 || block.words.size() > 3) {
      return draft_.error(block.line, "location needs a path");
    }
    for (const Directive& directive : block.block) {
      if (directive.words[0] == "proxy_pass" && directive.words.size() == 2) {
        add_route(directive, host, modifier, block.words.back());
      } else {
        not_carried_over(directive, "");
      }
    }
  }

  void add_route(const Directive& pass,
                 const std::string& host,
                 const std::string& modifier,
                 const std::string& path) {
    if (draft_.routes.size() == kRoutesMax) {
      return draft_.error(pass.line, "more than " + std::to_string(kRoutesMax) + " routes");
    }
    if (modifier.starts_with('~') || path.starts_with('@') || path.find('*') != path.npos) {
      return draft_.warn(pass.line,
                         "location " + path +
                             " is left out: routes are paths and "
                             "prefixes, not patterns");
    }
    if (host.find('*') != host.npos || host.starts_with('~')) {
      return draft_.warn(pass.line, "server_name " + host + " is left out: hosts are whole names");
    }
    std::string target = pass.words[1];
    if (target.starts_with("http://")) target = target.substr(7);
    const std::size_t slash = std::min(target.find('/'), target.size());
    if (slash < target.size()) {
      draft_.warn(pass.line, "proxy_pass " + pass.words[1] + ": the path is not rewritten");
    }
    target.resize(slash);
    DraftRoute route;
    route.line = pass.line;
    route.host = host == "_" ? "" : host;
    route.path = path;
    route.exact = modifier == "=";
    route.name = unique_name(name_from((route.host.empty() ? "all" : route.host) + path));
    const auto variable = variables_.find(read_template(target).variable);
    const auto upstream = upstreams_.find(target);
    if (variable != variables_.end()) {
      route.rollout = variable->second;
    } else if (upstream != upstreams_.end()) {
      route.upstream = upstream->second;
    } else {
      return draft_.warn(
          pass.line,
          "proxy_pass " + pass.words[1] + " is left out: it leads to no block of this file");
    }
    draft_.routes.push_back(std::move(route));
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

  Draft& draft_;
  std::map<std::string, std::string> upstreams_;  // As in the file, to our name.
  std::map<std::string, std::string> variables_;  // To the name of the rollout.
  std::set<std::string> route_names_;
};

}  // namespace

void read_nginx(Draft& draft, std::string_view text) {
  const std::vector<Directive> directives = read_directives(draft, text);
  if (draft.errors.empty()) Reader(draft).read(directives);
}

}  // namespace canaryd::convert
