// Stable takes one request at a time, and ten more wait; nothing is retried.
#pragma once

#include "component/proxy_world.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace canaryd::test {

class ConcurrencyTest : public ProxyTest {
 protected:
  ConcurrencyTest() {
    world.upstreams[0].retries = {0, false, false};
    world.upstreams[1].retries = {0, false, false};
    allow(1, 10);
  }
  void allow(std::uint32_t max,
             std::uint32_t queue,
             Duration timeout = 1s,
             std::size_t upstream = 0) {
    world.upstreams[upstream].concurrency = upstream::Concurrency{max, queue, timeout};
  }

  // A client that has asked for a path and waits.
  Client& ask(std::string_view path, std::string_view fields = {}) {
    clients.push_back(std::make_unique<Client>(world));
    clients.back()->send(get(path, fields));
    world.net.run_ready();
    return *clients.back();
  }
  static void expect_overloaded(const Message& reply) {
    EXPECT_EQ(reply.status(), 503);
    EXPECT_EQ(reply.field("X-Canaryd-Error"), "overloaded");
    EXPECT_EQ(reply.field("Retry-After"), "1");
  }
  [[nodiscard]] std::uint32_t active() { return world.limit("stable").active(); }
  [[nodiscard]] std::uint32_t queued() { return world.limit("stable").queued(); }

  std::vector<std::unique_ptr<Client>> clients;
};

}  // namespace canaryd::test
