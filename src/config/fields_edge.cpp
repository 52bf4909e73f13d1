// Listeners and upstreams.
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kGiB = 1024 * 1024 * kKiB;
// A head lies in one block of the pool (net/buffer_pool.hpp), of which this is the largest.
constexpr std::uint64_t kHeadMax = 256 * kKiB;

// ---------------------------------------------------------------- listeners

const Section<ListenerLimits>& limits_section() {
  static const auto made = [] {
    Section<ListenerLimits> s("Listener limits");
    s.add("connections",
          &ListenerLimits::connections,
          narrow<std::uint32_t>(integer(1, 10'000'000)),
          "Client connections at a time, over all workers; more are answered 503 and closed.");
    s.add("header_bytes",
          &ListenerLimits::header_bytes,
          size(kKiB, kHeadMax),
          "Size of a request's head; a larger one is answered 431.");
    s.add("header_count",
          &ListenerLimits::header_count,
          narrow<std::uint32_t>(integer(1, 10'000)),
          "Header lines of a request; more are answered 431.");
    s.add("target_bytes",
          &ListenerLimits::target_bytes,
          size(64, kHeadMax),
          "Length of the request target; a longer one is answered 414.");
    s.add("body_bytes",
          &ListenerLimits::body_bytes,
          word_or("unlimited", std::optional<std::uint64_t>(), optional(size(0, 1024 * kGiB))),
          "Size of a request's body; a larger one is answered 413.");
    return s;
  }();
  return made;
}

const Section<ListenerTimeouts>& listener_timeouts_section() {
  static const auto made = [] {
    Section<ListenerTimeouts> s("Listener timeouts");
    s.add("header",
          &ListenerTimeouts::header,
          duration(10ms, 1h),
          "For a client to send the whole head of a request.");
    s.add("body_idle",
          &ListenerTimeouts::body_idle,
          duration(10ms, kDay),
          "Without a byte of the request's body, until its answer has begun.");
    s.add("write_stall",
          &ListenerTimeouts::write_stall,
          duration(10ms, kDay),
          "Without the client taking a byte of the response.");
    s.add("keep_alive",
          &ListenerTimeouts::keep_alive,
          duration(0s, kDay),
          "Idle between two requests of a connection; `0s` closes after each response.");
    return s;
  }();
  return made;
}

// The only protocol so far; the key exists so that files can say it.
Codec<Listener> protocols() {
  enum class Protocol : std::uint8_t { kHttp1 };
  static constexpr std::array kProtocols{Word{"http1", Protocol::kHttp1}};
  const auto list = list_of(choice(kProtocols, {"http2"}), 1, 2);
  Codec<Listener> codec;
  codec.shape = list.shape;
  codec.read = [list](Reader& in, const Node& node, Listener& /*out*/) {
    std::vector<Protocol> ignored;
    return list.read(in, node, ignored);
  };
  codec.write = [list](const Listener& /*value*/, const Names& names) {
    return list.write({Protocol::kHttp1}, names);
  };
  return codec;
}

// ---------------------------------------------------------------- upstreams

const Section<Endpoint>& endpoint_section() {
  static const auto made = [] {
    Section<Endpoint> s("Endpoint");
    s.require("address", &Endpoint::address, address(AddressOf::kEndpoint), "Where it listens.");
    s.add("weight",
          &Endpoint::weight,
          narrow<std::uint16_t>(integer(1, 1000)),
          "Its share of the requests, beside the weights of the others.");
    return s;
  }();
  return made;
}

// An address, or a map that holds one.
Codec<Endpoint> endpoint() {
  const auto map = section(endpoint_section());
  const auto scalar = address(AddressOf::kEndpoint);
  Codec<Endpoint> codec;
  codec.shape.kind = Shape::Kind::kEither;
  codec.shape.type = "IP:port, or {address: IP:port, weight: 1}";
  codec.shape.alternatives = {scalar.shape, map.shape};
  codec.read = [map, scalar](Reader& in, const Node& node, Endpoint& out) {
    if (node.kind == Node::Kind::kMap) return map.read(in, node, out);
    return scalar.read(in, node, out.address);
  };
  codec.write = [map, scalar](const Endpoint& value, const Names& names) {
    return value.weight == 1 ? scalar.write(value.address, names) : map.write(value, names);
  };
  return codec;
}

const Section<UpstreamTimeouts>& upstream_timeouts_section() {
  static const auto made = [] {
    Section<UpstreamTimeouts> s("Upstream timeouts");
    s.add("connect", &UpstreamTimeouts::connect, duration(1ms, 10min), "To open a connection.");
    s.add("first_byte",
          &UpstreamTimeouts::first_byte,
          duration(0s, kDay),
          "From the request's last byte to the response's first, and as long again for the rest of "
          "its head; `0s`: none.");
    s.add("body_idle",
          &UpstreamTimeouts::body_idle,
          duration(0s, kDay),
          "Without a byte of the response's body, or without the upstream taking one of the "
          "request's; `0s`: none.");
    s.add("request",
          &UpstreamTimeouts::request,
          duration(0s, kDay),
          "For the whole exchange, retries included; `0s`: none.");
    s.add("keep_alive",
          &UpstreamTimeouts::keep_alive,
          duration(0s, kDay),
          "Before an idle connection is closed; `0s`: connections are not reused.");
    s.add("per_try",
          &UpstreamTimeouts::per_try,
          duration(0s, kDay),
          "For one try, its connect included, while `retries` allow another one; `0s`: none.");
    s.add("tunnel_idle",
          &UpstreamTimeouts::tunnel_idle,
          duration(0s, 7 * kDay),
          "Without a byte either way in a WebSocket tunnel; `0s`: none.");
    return s;
  }();
  return made;
}

Codec<Retries> retry_reasons() {
  enum class Reason : std::uint8_t { kConnect, kReset };
  static constexpr std::array kReasons{Word{"connect_failure", Reason::kConnect},
                                       Word{"reset_before_headers", Reason::kReset}};
  const auto list = list_of(choice(kReasons), 0, 10);
  Codec<Retries> codec;
  codec.shape = list.shape;
  codec.read = [list](Reader& in, const Node& node, Retries& out) {
    std::vector<Reason> reasons;
    if (!list.read(in, node, reasons)) return false;
    const auto has = [&](Reason reason) {
      return std::find(reasons.begin(), reasons.end(), reason) != reasons.end();
    };
    out.on_connect_failure = has(Reason::kConnect);
    out.on_reset_before_headers = has(Reason::kReset);
    return true;
  };
  codec.write = [list](const Retries& value, const Names& names) {
    std::vector<Reason> reasons;
    if (value.on_connect_failure) reasons.push_back(Reason::kConnect);
    if (value.on_reset_before_headers) reasons.push_back(Reason::kReset);
    return list.write(reasons, names);
  };
  return codec;
}

const Section<Retries>& retries_section() {
  static const auto made = [] {
    Section<Retries> s("Retries");
    s.add("attempts",
          &Retries::attempts,
          narrow<std::uint8_t>(integer(0, 3)),
          "Further tries, on another endpoint where there is one; only what is safe to repeat.");
    s.add("on", Whole{}, retry_reasons(), "Which failures are tried again.");
    s.add("budget",
          &Retries::budget,
          narrow<std::uint8_t>(integer(0, 100)),
          "Retries at most, in percent of the requests; beyond it one a second for each worker.");
    return s;
  }();
  return made;
}

const Section<Tunnels>& tunnels_section() {
  static const auto made = [] {
    Section<Tunnels> s("Tunnels");
    s.add(
        "on_rollback",
        &Tunnels::on_rollback,
        choice(kOnRollbacks),
        "What becomes of them when nobody goes to this canary any more: let them finish, or close "
        "them.");
    s.add("after",
          &Tunnels::after,
          duration(0s, kDay),
          "With `close`: how long after that they are closed.");
    return s;
  }();
  return made;
}

const Section<Concurrency>& concurrency_section() {
  static const auto made = [] {
    constexpr std::uint64_t kMost = 1'000'000;
    Section<Concurrency> s("Concurrency");
    s.add("max",
          &Concurrency::max,
          narrow<std::uint32_t>(integer(1, kMost)),
          "Requests in flight, over all workers; a WebSocket counts as long as it is open.");
    s.add("queue",
          &Concurrency::queue,
          narrow<std::uint32_t>(integer(0, kMost)),
          "Further ones that wait for their turn; more are answered 503 `overloaded`.");
    s.add("queue_timeout",
          &Concurrency::queue_timeout,
          duration(1ms, 10min),
          "How long they wait at most; then they are answered 503 `overloaded`.");
    return s;
  }();
  return made;
}

}  // namespace

Codec<std::vector<Endpoint>> endpoint_list() {
  return list_of(endpoint(), 1, kEndpointsMax);
}

const Section<Listener>& listener_section() {
  static const auto made = [] {
    Section<Listener> s("Listener");
    s.require("name", &Listener::name, name(), "Its name in metrics, logs and messages.");
    s.require("address",
              &Listener::address,
              address(),
              "Where it listens; port 0 lets the system choose one.");
    s.add("protocols", Whole{}, protocols(), "What is spoken.");
    s.add("trusted_proxies",
          &Listener::trusted_proxies,
          list_of(network(), 0, 1000),
          "Networks whose X-Forwarded-* and Forwarded headers and cohort forcing are believed; "
          "from others these count as absent.");
    s.add("expose_cohort",
          &Listener::expose_cohort,
          boolean(),
          "Tell clients their cohort in the header X-Canaryd-Cohort.");
    s.add("encoded_slashes",
          &Listener::encoded_slashes,
          boolean(),
          "Take %2F in paths, as a character inside a segment; else it is answered 400.");
    s.add("feedback",
          &Listener::feedback,
          boolean(),
          "Take the votes of users: POST `/.canaryd/feedback` is answered here.");
    s.add("limits",
          &Listener::limits,
          section(limits_section()),
          "What one client, or all of them, may take.");
    s.add("timeouts",
          &Listener::timeouts,
          section(listener_timeouts_section()),
          "How long clients are waited for.");
    s.unsupported({"tls", "proxy_protocol"});
    return s;
  }();
  return made;
}

const Section<Upstream>& upstream_section() {
  static const auto made = [] {
    Section<Upstream> s("Upstream");
    s.require("endpoints", Whole{}, upstream_endpoints(), "Where this version runs.");
    s.add(
        "load_balancer",
        &Upstream::load_balancer,
        choice(kLoadBalancers),
        "How requests are spread over the endpoints: in turn; the less loaded of two by chance; or "
        "by the sticky key, the same key to the same endpoint, and by the client address where "
        "there is none that comes again: without a rollout, with per_request, while no cookie is "
        "issued.");
    s.add("timeouts",
          &Upstream::timeouts,
          section(upstream_timeouts_section()),
          "How long this version is waited for.");
    s.add("retries",
          &Upstream::retries,
          section(retries_section()),
          "What is tried again when it fails.");
    s.add("tunnels",
          &Upstream::tunnels,
          section(tunnels_section()),
          "WebSocket connections to this version.");
    s.add("health_check",
          &Upstream::health_check,
          optional(section(health_section())),
          "Asks each endpoint whether it is well; not set: all count as healthy.");
    s.add("outlier_detection",
          &Upstream::outlier_detection,
          optional(section(outlier_section())),
          "Takes an endpoint on which requests fail out of use for a while; not set: never.");
    s.add("concurrency",
          &Upstream::concurrency,
          optional(section(concurrency_section())),
          "How many requests this version gets at a time; left out, there is no limit.");
    s.add("slow_start",
          &Upstream::slow_start,
          duration(0s, 1h),
          "Until an endpoint that is back in use has its whole share again; `0s`: at once.");
    s.unsupported({"tls"});
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
