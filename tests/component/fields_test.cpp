// Which fields go on, which do not, and which are added.
#include "component/proxy_world.hpp"

namespace canaryd::test {
namespace {

class FieldsTest : public ProxyTest {
 protected:
  FieldsTest() { world.start(); }
};

TEST_F(FieldsTest, RemovesHopByHopFields) {
  Backend stable(world,
                 kStable,
                 ok("x",
                    "Connection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=9\r\n"
                    "Proxy-Authenticate: Basic\r\nX-Outer: 2\r\n"));
  Client client(world);
  const Message reply = client.ask(get("/",
                                       "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\n"
                                       "Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\n"
                                       "Upgrade: h2c\r\nX-End: 2\r\n"));
  const Message& request = stable.requests.at(0);
  for (const char* name :
       {"Connection", "X-Hop", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade"}) {
    EXPECT_FALSE(request.has(name)) << name;
  }
  EXPECT_EQ(request.field("X-End"), "2");
  for (const char* name : {"Connection", "X-Inner", "Keep-Alive", "Proxy-Authenticate"}) {
    EXPECT_FALSE(reply.has(name)) << name;
  }
  EXPECT_EQ(reply.field("X-Outer"), "2");
}

TEST_F(FieldsTest, SaysWhoAsked) {
  Backend stable(world, kStable);
  Client client(world);
  const std::string ip = to_string(client.peer.local_address().ip);
  static_cast<void>(client.ask(get("/",
                                   "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n"
                                   "X-Canaryd-Cohort: canary\r\nX_Forwarded_For: 7.7.7.7\r\n")));
  const Message request = stable.requests.at(0);
  EXPECT_EQ(request.field("X-Forwarded-For"), ip);
  EXPECT_EQ(request.field("X-Forwarded-Proto"), "http");
  EXPECT_EQ(request.field("X-Forwarded-Host"), "a");
  EXPECT_EQ(request.field("Via"), "1.1 canaryd");
  EXPECT_EQ(request.field("X-Request-Id").size(), 32U);
  EXPECT_FALSE(request.has("X-Canaryd-Cohort"));
  EXPECT_FALSE(request.has("X_Forwarded_For"));
  // Another request is another id; one that the client gave is kept.
  static_cast<void>(client.ask(kGet));
  EXPECT_NE(stable.requests.at(1).field("X-Request-Id"), request.field("X-Request-Id"));
  static_cast<void>(client.ask(get("/", "X-Request-Id: mine-1\r\n")));
  EXPECT_EQ(stable.requests.at(2).field("X-Request-Id"), "mine-1");
}

TEST_F(FieldsTest, SendsTheCanonicalTarget) {
  Backend stable(world, kStable);
  Client client(world);
  static_cast<void>(client.ask(get("/a/./b/../c//d%7e?x=%2F")));
  EXPECT_EQ(stable.requests.at(0).target(), "/a/c/d~?x=%2F");
  static_cast<void>(client.ask("GET http://b:81/x HTTP/1.1\r\nHost: b:81\r\n\r\n"));
  EXPECT_EQ(stable.requests.at(1).target(), "/x");
  EXPECT_EQ(stable.requests.at(1).field("Host"), "b:81");
}

TEST_F(FieldsTest, AnswersOptionsThatMayGoNoFurther) {
  Backend stable(world, kStable);
  Client client(world);
  const Message reply = client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
  EXPECT_EQ(reply.status(), 200);
  EXPECT_FALSE(reply.has("X-Canaryd-Error"));
  EXPECT_EQ(stable.server.connections(), 0U);
  static_cast<void>(client.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n"));
  EXPECT_EQ(stable.requests.at(0).start, "OPTIONS * HTTP/1.1");
  EXPECT_EQ(stable.requests.at(0).field("Max-Forwards"), "2");
}

}  // namespace
}  // namespace canaryd::test
