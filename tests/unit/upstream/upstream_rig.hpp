// One upstream on the simulated network, with a server at each of its endpoints.
#pragma once

#include "canaryd/upstream/upstream.hpp"
#include "support/sim.hpp"
#include "support/upstream_share.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace canaryd::upstream {

using namespace std::chrono_literals;
using test::address;
using test::SimNetwork;
using test::SimPeer;
using test::SimRuntime;
using test::SimServer;

class UpstreamTest : public testing::Test {
 protected:
  UpstreamTest() {
    spec.name = "app";
    spec.endpoints = {address("10.0.0.2:80")};
    spec.timeouts.keep_alive = 30s;
  }
  void make() {
    share = test::make_share(spec, share);
    servers.clear();
    for (const EndpointSpec& each : spec.endpoints) {
      servers.push_back(std::make_unique<SimServer>(net, each.address));
    }
    app = std::make_unique<Upstream>(runtime, spec, share);
  }
  // With a connection, fresh or from the pool.
  [[nodiscard]] Lease lease() {
    Lease result = app->acquire();
    if (result.connected()) return result;
    EXPECT_TRUE(result.connect().has_value());
    net.run_until([&] { return result.stream().writable_flag(); });
    result.connected(true);
    return result;
  }
  [[nodiscard]] std::uint64_t idle() const { return share.counters->idle.load(); }
  [[nodiscard]] std::uint64_t busy() const { return share.counters->busy.load(); }
  [[nodiscard]] std::uint64_t active(std::size_t endpoint = 0) const {
    return share.endpoints[endpoint].counters->active_requests.load();
  }

  SimNetwork net;
  SimRuntime runtime{net};
  UpstreamSpec spec;
  UpstreamShare share;
  std::vector<std::unique_ptr<SimServer>> servers;
  std::unique_ptr<Upstream> app;
};

}  // namespace canaryd::upstream
