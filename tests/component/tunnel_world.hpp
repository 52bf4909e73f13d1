// Tunnels for tests: the handshake, frames, and a fixture that opens tunnels to either version.
#pragma once

#include "component/proxy_world.hpp"

namespace canaryd::test {

inline constexpr std::string_view kHandshake =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
inline constexpr std::string_view kSwitching =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
inline const std::string kGoingAway = "\x88\x02\x03\xe9";

// Frames with short payloads.
inline std::string server_frame(unsigned opcode, std::string_view payload) {
  std::string text(1, static_cast<char>(0x80U | opcode));
  text += static_cast<char>(payload.size());
  return text.append(payload);
}
inline std::string client_frame(unsigned opcode, std::string_view payload) {
  std::string text(1, static_cast<char>(0x80U | opcode));
  text += static_cast<char>(0x80U | payload.size());
  return text.append(4, '\0').append(payload);
}
inline std::string close_frame(std::uint16_t code) {
  const std::string bytes{static_cast<char>(code >> 8U), static_cast<char>(code & 0xffU)};
  return server_frame(8, bytes);
}

// A long frame's header.
inline std::string long_header(std::uint64_t size) {
  std::string text = "\x82\x7f";
  for (int shift = 56; shift >= 0; shift -= 8) {
    text += static_cast<char>(size >> static_cast<unsigned>(shift) & 0xffU);
  }
  return text;
}

class TunnelTest : public ProxyTest {
 protected:
  explicit TunnelTest(net::BufferPools::Limits buffers = {})
      : ProxyTest(buffers), stable(world.net, kStable), canary(world.net, kCanary) {
    world.split(10000);
    world.start();
  }

  struct Pair {
    std::unique_ptr<Client> client;
    SimPeer* server;
  };
  // An open tunnel, nothing sent yet.
  Pair open(SimServer& upstream) {
    Pair pair{std::make_unique<Client>(world), nullptr};
    pair.client->send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
    pair.server = &upstream.accept();
    world.net.run_until([&] { return pair.server->received().ends_with("\r\n\r\n"); });
    pair.server->take();
    pair.server->send(kSwitching);
    EXPECT_EQ(pair.client->read(BodyRule::kResponse).status(), 101);
    return pair;
  }
  Pair open() { return open(canary); }

  bool arrives(SimPeer& at, std::string_view text) {
    world.net.run_ready();
    return at.take() == text;
  }
  std::int64_t tunnels(Cohort cohort) { return world.counters(cohort).tunnels; }

  void set_weight(unsigned basis_points) {
    world.rollout().weight = BasisPoints(basis_points);
    world.publish();
  }
  void roll_back() {
    world.rollout().traffic = routing::Traffic::kStableOnly;
    world.gate->lower(1, BasisPoints(0));
    world.publish();
  }

  SimServer stable;
  SimServer canary;
};

}  // namespace canaryd::test
