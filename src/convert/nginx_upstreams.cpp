#include "convert/nginx_upstreams.hpp"

#include "canaryd/base/ip.hpp"
#include "canaryd/base/units.hpp"

#include <algorithm>
#include <optional>

namespace canaryd::convert {
namespace {

// What nginx takes for a server that does not say it.
constexpr std::uint32_t kMaxFails = 1;
constexpr Duration kFailTimeout = std::chrono::seconds(10);

struct Server {
  DraftEndpoint endpoint;
  std::optional<std::uint32_t> max_fails;  // 0: it is never taken out of use.
  std::optional<Duration> fail_timeout;
  bool has_name = false;  // Not an address.
};

class UpstreamBlock {
 public:
  UpstreamBlock(Draft& draft, const Directive& block) : draft_(draft), block_(block) {}

  void read(UpstreamNames& names) {
    if (block_.words.size() != 2) return draft_.error(block_.line, "upstream needs one name");
    upstream_.line = block_.line;
    upstream_.name = name_from(draft_, block_.line, block_.words[1]);
    upstream_.load_balancer = "round_robin";
    for (const Directive& directive : block_.block) read_directive(directive);
    keep_one_kind();
    if (servers_.empty()) {
      return draft_.error(block_.line,
                          "upstream " + upstream_.name +
                              " has no server that can be "
                              "carried over");
    }
    if (draft_.find_upstream(upstream_.name) != nullptr) {
      return draft_.error(block_.line, "there are two upstreams called " + upstream_.name);
    }
    set_outlier_detection();
    for (Server& server : servers_) {
      if (server.has_name) {
        upstream_.dns = server.endpoint.address;
      } else {
        upstream_.endpoints.push_back(std::move(server.endpoint));
      }
    }
    names[block_.words[1]] = upstream_.name;
    draft_.upstreams.push_back(std::move(upstream_));
  }

 private:
  void read_directive(const Directive& directive) {
    const std::string& name = directive.words[0];
    if (name == "server") {
      read_server(directive);
    } else if (name == "least_conn") {
      upstream_.load_balancer = "least_request";
    } else if (name == "ip_hash" || name == "hash") {
      upstream_.load_balancer = "consistent_hash";
      draft_.warn(directive.line, name + " is consistent_hash: by the sticky key of the request");
    } else if (name == "keepalive" || name == "keepalive_timeout" || name == "zone") {
      warn_of_directive(
          draft_, directive, "canaryd keeps connections by itself (timeouts.keep_alive)");
    } else {
      warn_of_directive(draft_, directive);
    }
  }

  void read_server(const Directive& directive) {
    if (directive.words.size() < 2) return draft_.error(directive.line, "server needs an address");
    Server server;
    server.endpoint.line = directive.line;
    const std::string& address = directive.words[1];
    for (std::size_t i = 2; i < directive.words.size(); ++i) {
      if (!read_parameter(directive, directive.words[i], server)) return;
    }
    if (address.starts_with("unix:")) {
      draft_.warn(directive.line, "server " + address + " is left out: Unix sockets are not built");
      return;
    }
    const bool has_port = address.find(':') != std::string::npos && !address.ends_with(']');
    server.endpoint.address = has_port ? address : address + ":80";
    server.has_name = !parse_socket_address(server.endpoint.address);
    const auto named = [](const Server& other) { return other.has_name; };
    if (server.has_name && std::any_of(servers_.begin(), servers_.end(), named)) {
      draft_.warn(directive.line,
                  "server " + address +
                      " is left out: an upstream has one name, "
                      "whose addresses are its endpoints");
      return;
    }
    servers_.push_back(std::move(server));
  }

  // False: the server is left out.
  bool read_parameter(const Directive& directive, const std::string& parameter, Server& server) {
    const std::size_t equals = std::min(parameter.find('='), parameter.size());
    const std::string name = parameter.substr(0, equals);
    const std::string value = parameter.substr(std::min(equals + 1, parameter.size()));
    const bool number =
        !value.empty() && value.size() <= 4 &&
        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (name == "weight" && number) {
      server.endpoint.weight = value == "1" ? "" : value;
    } else if (name == "max_fails" && number) {
      server.max_fails = static_cast<std::uint32_t>(std::stoul(value));
    } else if (name == "fail_timeout" && parse_duration(number ? value + "s" : value)) {
      server.fail_timeout = parse_duration(number ? value + "s" : value).value();
    } else if (name == "backup" || name == "down") {
      draft_.warn(directive.line, "server " + directive.words[1] + " is left out: it is " + name);
      return false;
    } else {
      draft_.warn(directive.line, parameter + " of a server is not carried over");
    }
    return true;
  }

  // Endpoints are addresses or one name.
  void keep_one_kind() {
    const auto named = [](const Server& server) { return server.has_name; };
    const auto name = std::find_if(servers_.begin(), servers_.end(), named);
    if (name == servers_.end() || servers_.size() == 1) return;
    draft_.warn(block_.line,
                "upstream " + upstream_.name + ": " + name->endpoint.address +
                    " is left out, because endpoints are addresses or one name");
    servers_.erase(name);
  }

  // In nginx each server has its own max_fails, here the upstream has one for all. Where they
  // differ the laxest one holds, so that no endpoint is out of use sooner or longer than there.
  void set_outlier_detection() {
    const auto says_something = [](const Server& server) {
      return server.max_fails || server.fail_timeout;
    };
    if (std::none_of(servers_.begin(), servers_.end(), says_something)) return;
    const Server& first = servers_.front();
    std::uint32_t most = fails_of(first);
    Duration shortest = timeout_of(first);
    bool off = false;
    bool differ = false;
    for (const Server& server : servers_) {
      differ =
          differ || fails_of(server) != fails_of(first) || timeout_of(server) != timeout_of(first);
      off = off || fails_of(server) == 0;
      most = std::max(most, fails_of(server));
      shortest = std::min(shortest, timeout_of(server));
    }
    if (!off) {
      upstream_.failures = most;
      upstream_.ejection = shortest;
    }
    if (!differ) return;
    draft_.warn(block_.line,
                "the servers of upstream " + upstream_.name +
                    " differ in max_fails or fail_timeout, of which one that is not given is 1 or "
                    "10s: the laxest is taken, " +
                    (off ? "max_fails=0, which is no outlier_detection"
                         : std::to_string(most) + " and " + format_duration(shortest)));
  }

  [[nodiscard]] static std::uint32_t fails_of(const Server& server) {
    return server.max_fails.value_or(kMaxFails);
  }
  // Of a server that is never out of use it says nothing.
  [[nodiscard]] static Duration timeout_of(const Server& server) {
    return fails_of(server) == 0 ? Duration::zero() : server.fail_timeout.value_or(kFailTimeout);
  }

  Draft& draft_;
  const Directive& block_;
  DraftUpstream upstream_;
  std::vector<Server> servers_;
};

}  // namespace

void read_nginx_upstream(Draft& draft, const Directive& block, UpstreamNames& names) {
  UpstreamBlock(draft, block).read(names);
}

void warn_of_directive(Draft& draft, const Directive& directive, const std::string& why) {
  draft.warn(directive.line,
             directive.words[0] + " is not carried over" + (why.empty() ? "" : ": " + why));
}

}  // namespace canaryd::convert
