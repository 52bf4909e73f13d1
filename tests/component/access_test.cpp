// What the access log says of an exchange: the record is the exchange, once.
#include "component/tunnel_world.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace canaryd::test {
namespace {

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    std::string name = (std::filesystem::temp_directory_path() / "canaryd-access-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    LogOptions daemon;
    daemon.file = folder_ / "daemon";
    log_ = Log::open(daemon, clock_).value();
    telemetry::AccessLogOptions options;
    options.file = folder_ / "access";
    access_ = telemetry::AccessLog::open(options, clock_, *log_).value();
    world = std::make_unique<ProxyWorld>(1, net::BufferPools::Limits{}, access_->sink(0));
    world->access_policy = std::make_shared<telemetry::AccessPolicy>();
  }
  ~AccessTest() override { std::filesystem::remove_all(folder_); }
  void TearDown() override { world->finish(); }

  std::vector<std::string> lines() {
    EXPECT_TRUE(access_->flush());
    std::ifstream in(folder_ / "access");
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  // The text behind the key, up to the comma: enough for what is looked at here.
  static std::string value(const std::string& line, const std::string& key) {
    const std::size_t at = line.find("\"" + key + "\":");
    if (at == std::string::npos) return "";
    const std::size_t begin = at + key.size() + 3;
    const std::size_t end = line.find_first_of(",}", begin);
    return line.substr(begin, end - begin);
  }

  std::filesystem::path folder_;
  ManualClock clock_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<telemetry::AccessLog> access_;
  std::unique_ptr<ProxyWorld> world;
};

TEST_F(AccessTest, SaysWhoGotWhatFromWhom) {
  world->split(10000);
  world->start();
  Backend canary(*world, kCanary, ok("hello"));
  Client client(*world);
  EXPECT_EQ(client.ask(get("/a/../b?q=secret", "X-User: u\r\nX-Request-Id: r1\r\n")).status(), 200);
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  const std::string& line = all[0];
  EXPECT_EQ(value(line, "id"), "\"r1\"");
  EXPECT_EQ(value(line, "method"), "\"GET\"");
  EXPECT_EQ(value(line, "path"), "\"/a/../b\"");
  EXPECT_EQ(value(line, "query_masked"), "\"q=*\"");
  EXPECT_EQ(value(line, "host"), "\"a\"");
  EXPECT_EQ(value(line, "listener"), "\"public\"");
  EXPECT_EQ(value(line, "route"), "\"all\"");
  EXPECT_EQ(value(line, "rollout"), "\"web\"");
  EXPECT_EQ(value(line, "step"), "2");
  EXPECT_EQ(value(line, "revision"), "\"r7\"");
  EXPECT_EQ(value(line, "cohort"), "\"canary\"");
  EXPECT_EQ(value(line, "rule"), "\"weight\"");
  EXPECT_EQ(value(line, "key_source"), "\"header\"");
  EXPECT_EQ(value(line, "weight"), "100");
  EXPECT_EQ(value(line, "upstream"), "\"canary\"");
  EXPECT_EQ(value(line, "endpoint"), "\"10.0.0.3:80\"");
  EXPECT_EQ(value(line, "status"), "200");
  EXPECT_EQ(value(line, "bytes_out"), "5");
  EXPECT_EQ(value(line, "error"), "");
  EXPECT_NE(value(line, "t_upstream_connect"), "");
  EXPECT_NE(value(line, "t_upstream_first_byte"), "");
  EXPECT_EQ(line.find("secret"), std::string::npos);
  EXPECT_EQ(line.find("\"u\""), std::string::npos) << "the key itself is not for the log";
}

// Proxies add a line each (HAProxy does), or an address to the last one. However many a client
// sends before theirs, the nearest one is believed.
TEST_F(AccessTest, ForgedLinesDoNotHideTheClient) {
  world->listener.trusted_proxies = {parse_cidr("10.0.0.0/8").value()};
  world->start();
  Backend stable(*world, kStable, ok("hello"));
  Client client(*world);
  std::string fields;
  for (int i = 0; i < 200; ++i) fields += "X-Forwarded-For: 203.0.113.9\r\n";
  fields += "X-Forwarded-For: 198.51.100.7\r\n";
  EXPECT_EQ(client.ask(get("/", fields)).status(), 200);
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "client"), "\"198.51.100.7\"");
}

TEST_F(AccessTest, ForceAndSafetyAreRules) {
  world->split(100);
  world->start();
  Backend stable(*world, kStable);
  Backend canary(*world, kCanary);
  Client client(*world);
  client.ask(get("/", "X-User: u\r\nX-Canary: always\r\n"));
  client.ask(kGet);
  world->gate->lower(1, BasisPoints(0));
  client.ask(get("/", "X-User: u\r\nX-Canary: always\r\n"));
  const auto all = lines();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(value(all[0], "rule"), "\"force\"");
  EXPECT_EQ(value(all[0], "forced"), "true");
  EXPECT_EQ(value(all[1], "rule"), "\"no_key\"");
  EXPECT_EQ(value(all[1], "key_hash"), "");
  EXPECT_EQ(value(all[2], "rule"), "\"safety\"");
  EXPECT_EQ(value(all[2], "cohort"), "\"stable\"");
}

TEST_F(AccessTest, RefusedRequestsAreThereToo) {
  world->start();
  Client odd(*world);
  odd.ask("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
  Client worse(*world);
  worse.ask("GET /y?z=1 HTTP/9.9\r\n\r\n");
  const auto all = lines();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(value(all[0], "status"), "400");
  EXPECT_EQ(value(all[0], "error"), "\"bad_request\"");
  EXPECT_EQ(value(all[0], "path"), "\"/x\"");
  EXPECT_EQ(value(all[1], "status"), "505");
  EXPECT_EQ(value(all[1], "path"), "\"/y\"");
  EXPECT_EQ(value(all[1], "route"), "");
}

TEST_F(AccessTest, ARetryAndAFailureAreTold) {
  world->upstreams[0].endpoints = {kStable2};
  world->start();
  Client client(*world);
  EXPECT_EQ(client.ask(kGet).status(), 502);  // Nobody listens there.
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "error"), "\"connect_failed\"");
  EXPECT_EQ(value(all[0], "retries"), "1");
  EXPECT_EQ(value(all[0], "status"), "502");
  EXPECT_EQ(value(all[0], "upstream_status"), "");
}

TEST_F(AccessTest, AClientThatLeavesIsToldNothing) {
  world->start();
  SimServer silent(world->net, kStable);
  {
    Client client(*world);
    client.send(kGet);
    static_cast<void>(silent.accept());
    world->net.run_ready();
  }
  world->net.run_until([&] { return world->service->connections() == 0; });
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "error"), "\"client_gone\"");
  EXPECT_EQ(value(all[0], "status"), "");
}

TEST_F(AccessTest, AFallbackTellsWhatTheCanaryDid) {
  world->split(10000);
  world->failures.fallback.add(http::Method::kGet);
  world->upstreams[1].retries = {0, false, false};
  world->start();
  Backend stable(*world, kStable, ok("stable"));
  Client client(*world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "stable");  // Nobody listens there.
  Backend broken(*world, kCanary, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).body, "stable");
  const auto all = lines();
  ASSERT_EQ(all.size(), 2U);
  for (const std::string& line : all) {
    EXPECT_EQ(value(line, "cohort"), "\"canary\"");
    EXPECT_EQ(value(line, "upstream"), "\"canary\"");
    EXPECT_EQ(value(line, "endpoint"), "\"10.0.0.3:80\"");
    EXPECT_EQ(value(line, "status"), "200");
    EXPECT_EQ(value(line, "fallback"), "\"saved\"");
    EXPECT_EQ(value(line, "bytes_out"), "6");
  }
  EXPECT_EQ(value(all[0], "error"), "\"connect_failed\"");
  EXPECT_EQ(value(all[0], "upstream_status"), "");
  EXPECT_EQ(value(all[1], "error"), "");
  EXPECT_EQ(value(all[1], "upstream_status"), "500");
}

// Both versions' endpoints change while it is tried again; the line names the canary's last one.
TEST_F(AccessTest, AFallbackWhoseEndpointsHaveGone) {
  const net::Address moved = address("10.0.0.7:80");
  world->split(10000);
  world->failures.fallback.add(http::Method::kGet);
  for (auto& upstream : world->upstreams) upstream.retries = {1, true, true, 100};
  world->upstreams[0].endpoints = {kStable2};
  world->start();
  SimServer canary(world->net, kCanary);
  SimServer moved_canary(world->net, moved);
  SimServer stable(world->net, kStable2);
  Backend moved_stable(*world, kStable, ok("stable"));
  Client client(*world);
  client.send(get("/", "X-User: u\r\n"));
  SimPeer& first = canary.accept();
  world->net.run_ready();
  world->upstreams[1].endpoints = {moved};
  world->publish();
  first.reset();
  SimPeer& second = moved_canary.accept();
  world->net.run_ready();
  second.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  SimPeer& third = stable.accept();
  world->net.run_ready();
  world->upstreams[0].endpoints = {kStable};
  world->upstreams[1].endpoints = {kCanary};
  world->publish();
  third.reset();
  EXPECT_EQ(client.read().body, "stable");
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "fallback"), "\"saved\"");
  EXPECT_EQ(value(all[0], "endpoint"), "\"10.0.0.7:80\"");
  EXPECT_EQ(value(all[0], "upstream_status"), "500");
  EXPECT_EQ(value(all[0], "retries"), "2");
}

TEST_F(AccessTest, AFallbackThatFailsToo) {
  world->split(10000);
  world->failures.fallback.add(http::Method::kGet);
  for (auto& upstream : world->upstreams) upstream.retries = {0, false, false};
  world->start();
  Client client(*world);
  EXPECT_EQ(client.ask(get("/", "X-User: u\r\n")).status(), 502);
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "fallback"), "\"failed\"");
  EXPECT_EQ(value(all[0], "upstream"), "\"canary\"");
  EXPECT_EQ(value(all[0], "status"), "502");
}

// The canary answered; that stable was full says nothing of it.
TEST_F(AccessTest, AFallbackThatFindsStableFull) {
  world->split(10000);
  world->failures.fallback.add(http::Method::kGet);
  world->upstreams[0].concurrency = upstream::Concurrency{1, 0, 1s};
  Backend broken(*world, kCanary, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
  SimServer stable(world->net, kStable);
  world->start();
  Client first(*world);
  first.send(get("/", "X-User: u\r\n"));
  SimPeer& served = stable.accept();
  Client second(*world);
  EXPECT_EQ(second.ask(get("/", "X-User: u\r\n")).status(), 503);
  served.send(ok("stable"));
  EXPECT_EQ(first.read().body, "stable");
  const auto all = lines();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(value(all[0], "fallback"), "\"failed\"");
  for (const std::string& line : all) {
    EXPECT_EQ(value(line, "upstream_status"), "500");
    EXPECT_EQ(value(line, "error"), "");
  }
}

// A reload replaces what is known of the listener.
TEST_F(AccessTest, ATunnelsLineOutlivesItsListenersName) {
  world->split(10000);
  world->listener.name = "a name that is too long to be kept within a string itself";
  world->start();
  SimServer canary(world->net, kCanary);
  {
    Client client(*world);
    client.send(get("/chat", std::string("X-User: u\r\n").append(kHandshake)));
    SimPeer& server = canary.accept();
    world->net.run_until([&] { return server.received().ends_with("\r\n\r\n"); });
    server.send(kSwitching);
    EXPECT_EQ(client.read(BodyRule::kResponse).status(), 101);
    world->service->update(std::make_shared<proxy::ListenerSpec>(world->listener));
  }
  world->net.run_until([&] { return world->service->connections() == 0; });
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "listener"), '"' + world->listener.name + '"');
}

// It ends with the tunnel, and its texts outlive the block that the request came in.
TEST_F(AccessTest, ATunnelIsOneLineAtItsEnd) {
  world->split(10000);
  world->start();
  SimServer canary(world->net, kCanary);
  {
    Client client(*world);
    client.send(get("/chat?token=x",
                    std::string("X-User: u\r\nX-Request-Id: ws-1\r\nUser-Agent: tester\r\n")
                        .append(kHandshake)));
    SimPeer& server = canary.accept();
    world->net.run_until([&] { return server.received().ends_with("\r\n\r\n"); });
    server.send(kSwitching);
    EXPECT_EQ(client.read(BodyRule::kResponse).status(), 101);
    EXPECT_EQ(lines().size(), 0U);
    client.send(client_frame(1, "hello"));
    world->net.run_ready();
    server.send(server_frame(1, "you"));
    world->net.run_ready();
    server.reset();
    world->net.run_ready();
  }
  world->net.run_until([&] { return world->service->connections() == 0; });
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "id"), "\"ws-1\"");
  EXPECT_EQ(value(all[0], "path"), "\"/chat\"");
  EXPECT_EQ(value(all[0], "query_masked"), "\"token=*\"");
  EXPECT_EQ(value(all[0], "user_agent"), "\"tester\"");
  EXPECT_EQ(value(all[0], "cohort"), "\"canary\"");
  EXPECT_EQ(value(all[0], "status"), "101");
  EXPECT_EQ(value(all[0], "error"), "\"upstream_reset\"");
  EXPECT_EQ(value(all[0], "bytes_in"), std::to_string(client_frame(1, "hello").size()));
  EXPECT_EQ(value(all[0], "bytes_out"), std::to_string(server_frame(1, "you").size()));
}

TEST_F(AccessTest, AResponseThatIsCutHasItsStatusAndItsError) {
  world->start();
  SimServer stable(world->net, kStable);
  Client client(*world);
  client.send(kGet);
  SimPeer& server = stable.accept();
  world->net.run_until([&] { return server.received().ends_with("\r\n\r\n"); });
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  world->net.run_ready();
  server.reset();
  world->net.run_until([&] { return world->service->connections() == 0; });
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(value(all[0], "status"), "200");
  EXPECT_EQ(value(all[0], "upstream_status"), "200");
  EXPECT_EQ(value(all[0], "error"), "\"upstream_reset\"");
  EXPECT_EQ(value(all[0], "bytes_out"), "4");
}

// No user or password of a target, no value of a query, no other field of the head.
TEST_F(AccessTest, SecretsStayOut) {
  world->start();
  Backend stable(*world, kStable);
  Client client(*world);
  client.ask(get("/login?user=joe&password=hunter2&hunter2",
                 "Cookie: session=hunter2\r\nAuthorization: Basic hunter2\r\n"));
  Client tunnel(*world);
  tunnel.ask("CONNECT joe:hunter2@host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n");
  Client absolute(*world);
  absolute.ask("GET http://joe:hunter2@host/x?hunter2 HTTP/1.1\r\nHost: host\r\n\r\n");
  const auto all = lines();
  ASSERT_EQ(all.size(), 3U);
  for (const std::string& line : all) EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
  EXPECT_EQ(value(all[0], "query_masked"), "\"user=*&password=*&*\"");
}

TEST_F(AccessTest, AnIdleConnectionIsNoRequest) {
  world->start();
  Backend stable(*world, kStable);
  { Client client(*world); }
  {
    Client client(*world);
    client.ask(kGet);
  }
  world->net.run_until([&] { return world->service->connections() == 0; });
  EXPECT_EQ(lines().size(), 1U);
}

TEST_F(AccessTest, ANewTableTurnsItOffAndOn) {
  world->start();
  Backend stable(*world, kStable);
  Client client(*world);
  client.ask(kGet);
  world->access_policy = nullptr;
  world->publish();
  client.ask(kGet);
  world->access_policy = std::make_shared<telemetry::AccessPolicy>();
  world->publish();
  client.ask(kGet);
  EXPECT_EQ(lines().size(), 2U);
}

}  // namespace
}  // namespace canaryd::test
