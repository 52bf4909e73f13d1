// Route "all" with a mirror: everything is copied to the upstream "mirror", POST too.
#pragma once

#include "component/proxy_world.hpp"

#include <string>
#include <string_view>

namespace canaryd::test {

using stats::Mirrored;

inline const net::Address kMirror = address("10.0.0.5:80");

// Before the world is started.
inline void add_mirror(ProxyWorld& world) {
  upstream::UpstreamSpec spec;
  spec.name = "mirror";
  spec.endpoints = {kMirror};
  world.upstreams.push_back(spec);
  proxy::MirrorPolicy policy;
  policy.to = UpstreamId(2);
  policy.share = routing::MirrorShare("all", BasisPoints(BasisPoints::kMax));
  for (const auto method : {http::Method::kGet, http::Method::kHead, http::Method::kPost}) {
    policy.add(method);
  }
  world.mirrors = {policy};
}

class MirrorTest : public ProxyTest {
 protected:
  MirrorTest() { add_mirror(world); }

  [[nodiscard]] proxy::MirrorPolicy& policy() { return world.mirrors.front(); }
  [[nodiscard]] stats::CounterSnapshot shadow() const { return world.counters(Cohort::kShadow); }
  [[nodiscard]] std::uint64_t copies(Mirrored result) const {
    return shadow().mirrored[static_cast<std::size_t>(result)];
  }
  // Of copies that have been decided on.
  [[nodiscard]] std::uint64_t all_copies() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : shadow().mirrored) sum += each;
    return sum;
  }
  // One client, one request; what it gets.
  Message ask(std::string_view request) {
    Client client(world);
    return client.ask(request);
  }
};

}  // namespace canaryd::test
