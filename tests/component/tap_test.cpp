// What a tap sees of an exchange: what the access log would say, without one.
#include "component/tunnel_world.hpp"

#include <array>

namespace canaryd::test {
namespace {

class TapTest : public ProxyTest {
 protected:
  void open(telemetry::TapFilter filter = {}) {
    tap_ = std::make_shared<telemetry::Tap>(std::move(filter), 1);
    world.tap->use(std::make_shared<telemetry::TapList>(telemetry::TapList{tap_}));
  }
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    tap_->drain([&all](std::string_view line) { all.emplace_back(line); });
    return all;
  }
  static bool has(const std::string& line, const std::string& text) {
    return line.find(text) != std::string::npos;
  }

  std::shared_ptr<telemetry::Tap> tap_;
};

TEST_F(TapTest, SeesRequestsWhileItIsOpen) {
  world.split(10000);
  world.start();
  Backend canary(world, kCanary);
  Client client(world);
  EXPECT_EQ(client.ask(get("/before", "X-User: u\r\n")).status(), 200);
  open();
  EXPECT_EQ(client.ask(get("/a?q=secret", "X-User: u\r\nX-Request-Id: r1\r\n")).status(), 200);
  world.tap->use(nullptr);
  EXPECT_EQ(client.ask(get("/after", "X-User: u\r\n")).status(), 200);
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  for (const char* text : {R"("id":"r1")",
                           R"("method":"GET")",
                           R"("path":"/a")",
                           R"("query_masked":"q=*")",
                           R"("route":"all")",
                           R"("cohort":"canary")",
                           R"("upstream":"canary")",
                           R"("status":200)"}) {
    EXPECT_TRUE(has(all[0], text)) << text << all[0];
  }
}

TEST_F(TapTest, SecretsStayOut) {
  world.start();
  Backend stable(world, kStable);
  open();
  Client client(world);
  client.ask(
      get("/login?user=joe&password=hunter2&hunter2",
          "Cookie: session=hunter2\r\nAuthorization: Basic hunter2\r\nReferer: hunter2\r\n"));
  Client absolute(world);
  absolute.ask("GET http://joe:hunter2@host/x?hunter2 HTTP/1.1\r\nHost: host\r\n\r\n");
  const auto all = lines();
  ASSERT_EQ(all.size(), 2U);
  for (const std::string& line : all) EXPECT_FALSE(has(line, "hunter2")) << line;
}

TEST_F(TapTest, ErrorsAreFailuresOfTheVersionAndOurs) {
  world.start();
  int asked = 0;
  Backend stable(world, kStable, [&asked](const Message&) {
    const std::string status =
        std::array{"200 OK", "404 No", "500 Oops"}.at(static_cast<std::size_t>(asked++));
    return "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n";
  });
  open({std::nullopt, "", true});
  Client client(world);
  for (int i = 0; i < 3; ++i) client.ask(kGet);
  Client odd(world);
  odd.ask("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
  const auto all = lines();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_TRUE(has(all[0], R"("status":500)")) << all[0];
  EXPECT_TRUE(has(all[1], R"("error":"bad_request")")) << all[1];
}

TEST_F(TapTest, ATunnelIsSeenAtItsEnd) {
  world.split(10000);
  world.start();
  open();
  SimServer canary(world.net, kCanary);
  {
    Client client(world);
    client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
    SimPeer& server = canary.accept();
    world.net.run_until([&] { return server.received().ends_with("\r\n\r\n"); });
    server.send(kSwitching);
    EXPECT_EQ(client.read(BodyRule::kResponse).status(), 101);
    EXPECT_TRUE(lines().empty());
    server.reset();
    world.net.run_ready();
  }
  world.net.run_until([&] { return world.service->connections() == 0; });
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_TRUE(has(all[0], R"("status":101)")) << all[0];
  EXPECT_TRUE(has(all[0], R"("error":"upstream_reset")")) << all[0];
}

}  // namespace
}  // namespace canaryd::test
