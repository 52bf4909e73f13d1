// The server against peers that do not behave, on raw sockets; and where it binds.
#include "admin/bind.hpp"
#include "canaryd/client/http_client.hpp"
#include "raw_peer.hpp"
#include "support/fake_backend.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace canaryd::admin {
namespace {

using canaryd::test::AdminFixture;
using canaryd::test::with_limits;

constexpr const char* kLive = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string answer_to(const AdminFixture& admin, const std::string& bytes) {
  RawPeer peer(admin.address);
  peer.send(bytes);
  peer.finish();
  return peer.read_all();
}

void wait_for_action(AdminFixture& admin) {
  bool arrived = false;
  while (!arrived) admin.on_control([&] { arrived = !admin.backend.owed.empty(); });
}

TEST(ServerLimits, AnswersMalformedRequestsWith400) {
  AdminFixture admin;
  for (const char* bytes :
       {"GARBAGE\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost localhost\r\n\r\n",
        "GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "GET /livez HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}) {
    const std::string answer = answer_to(admin, bytes);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << bytes << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
  }
  EXPECT_TRUE(answer_to(admin, "GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n")
                  .starts_with("HTTP/1.1 421 "));
}

std::size_t count_answers(const std::string& bytes) {
  std::size_t count = 0;
  for (std::size_t at = bytes.find("HTTP/1.1 "); at != std::string::npos; ++count) {
    at = bytes.find("HTTP/1.1 ", at + 1);
  }
  return count;
}

// What follows such a head is a body that nobody here can read, and no request.
TEST(ServerLimits, TakesNoTransferCodingButChunked) {
  AdminFixture admin;
  const auto ask = [&](const std::string& version, const std::string& fields) {
    return answer_to(admin,
                     "POST /api/v1/drain HTTP/" + version + "\r\nHost: localhost\r\n" + fields +
                         "\r\n\r\nPOST /api/v1/rollouts/checkout/abort HTTP/1.1\r\n"
                         "Host: localhost\r\n\r\n");
  };
  for (const char* fields : {"Transfer-Encoding: gzip",
                             "Transfer-Encoding: identity",
                             "Transfer-Encoding: gzip, chunked",
                             "Transfer-Encoding: chunked, gzip",
                             "Transfer-Encoding: chunked, chunked",
                             "Transfer-Encoding: xchunked",
                             "Transfer-Encoding: chunked;a=b",
                             "Transfer-Encoding:",
                             "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                             "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
                             "Transfer-Encoding: gzip\r\nContent-Length: 0",
                             "Content-Length: 0\r\nTransfer-Encoding: gzip"}) {
    const std::string answer = ask("1.1", fields);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << fields << answer;
    EXPECT_NE(answer.find("application/problem+json"), std::string::npos) << answer;
    EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos) << answer;
    EXPECT_EQ(count_answers(answer), 1U) << fields << answer;
  }
  EXPECT_TRUE(ask("1.0", "Transfer-Encoding: chunked").starts_with("HTTP/1.1 400 "));
  EXPECT_EQ(admin.backend.drains, 0);
  EXPECT_TRUE(admin.backend.actions.empty());
  const std::string good = answer_to(
      admin,
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: Chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
  EXPECT_TRUE(good.starts_with("HTTP/1.1 200 ")) << good;
  EXPECT_EQ(admin.backend.drains, 1);
}

// RFC 9112, section 3.2.2.
TEST(ServerLimits, TakesATargetThatNamesItsHost) {
  AdminFixture admin;
  const auto ask = [&](const std::string& line, const std::string& host = "Host: localhost\r\n") {
    return answer_to(admin, line + " HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n");
  };
  EXPECT_TRUE(ask("GET http://localhost/livez").ends_with("\r\n\r\nok\n"));
  EXPECT_TRUE(
      ask("GET http://127.0.0.1:9901/readyz?verbose").ends_with("configuration ok\nready\n"));
  EXPECT_TRUE(ask("GET http://localhost").starts_with("HTTP/1.1 200 ")) << "the dashboard";
  EXPECT_TRUE(
      ask("POST http://localhost/api/v1/rollouts/checkout/abort").starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(admin.backend.actions.size(), 1U);
  // The host of the target is the one that counts.
  EXPECT_TRUE(ask("GET HTTP://LOCALHOST/livez", "Host: evil.example\r\n").ends_with("ok\n"));
  EXPECT_TRUE(ask("GET http://evil.example/livez").starts_with("HTTP/1.1 421 "));
  EXPECT_TRUE(ask("GET http://localhost.evil.example/livez").starts_with("HTTP/1.1 421 "));
  for (const char* line : {"GET http:///livez", "GET http://", "GET http://anna@localhost/livez"}) {
    EXPECT_TRUE(ask(line).starts_with("HTTP/1.1 400 ")) << line;
  }
  EXPECT_TRUE(ask("GET http://localhost/livez", "").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("GET ftp://localhost/livez").starts_with("HTTP/1.1 404 "));
}

TEST(ServerLimits, SurvivesPeersThatLeave) {
  AdminFixture admin;
  const std::string whole =
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{";
  for (std::size_t length = 0; length <= whole.size(); length += 7) {
    EXPECT_EQ(answer_to(admin, whole.substr(0, length)), "") << length;
  }
  EXPECT_EQ(admin.backend.drains, 0);
}

TEST(ServerLimits, BoundsTheHeadAndTheBody) {
  AdminFixture admin;
  EXPECT_TRUE(answer_to(admin,
                        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(20000, 'x') +
                            "\r\n\r\n")
                  .starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(answer_to(admin, "GET /" + std::string(70000, 'x')).starts_with("HTTP/1.1 431 "));
  const std::string head =
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  EXPECT_TRUE(answer_to(admin, head + "Content-Length: 65537\r\n\r\n" + std::string(65537, ' '))
                  .starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(answer_to(admin,
                        head + "Transfer-Encoding: chunked\r\n\r\n20000\r\n" +
                            std::string(0x20000, ' ') + "\r\n0\r\n\r\n")
                  .starts_with("HTTP/1.1 413 "));
  EXPECT_EQ(admin.backend.drains, 0);
}

TEST(ServerLimits, TakesABodyUpToItsLimit) {
  AdminFixture admin;
  const std::string head =
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Connection: close\r\nContent-Length: 65536\r\n\r\n{";
  EXPECT_TRUE(answer_to(admin, head + std::string(65534, ' ') + "}").starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(admin.backend.drains, 1);
}

TEST(ServerLimits, ServesPipelinedRequestsInOrder) {
  AdminFixture admin;
  const std::string live = kLive;
  const std::string ready = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const std::string answer = answer_to(admin, live + ready);
  const std::size_t first = answer.find("ok\n");
  const std::size_t second = answer.find("ready\n");
  ASSERT_NE(first, std::string::npos) << answer;
  ASSERT_NE(second, std::string::npos) << answer;
  EXPECT_LT(first, second);
}

TEST(ServerLimits, SaysContinueWhenAsked) {
  AdminFixture admin;
  RawPeer peer(admin.address);
  peer.send(
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("{}");
  EXPECT_TRUE(peer.read_all().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST(ServerLimits, ClosesIdleAndSlowConnections) {
  Limits limits;
  limits.keep_alive = std::chrono::milliseconds(50);
  limits.header = std::chrono::milliseconds(50);
  AdminFixture admin(with_limits(limits));
  RawPeer idle(admin.address);
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_TRUE(idle.closed);
  RawPeer slow(admin.address);
  slow.send("GET /livez HTTP/1.1\r\nHo");
  EXPECT_EQ(slow.read_all(), "");
  EXPECT_TRUE(slow.closed);
}

TEST(ServerLimits, AFirstRequestHasLessTimeThanTheNextOne) {
  Limits limits;
  limits.header = std::chrono::milliseconds(500);
  AdminFixture admin(with_limits(limits));
  RawPeer known(admin.address);
  known.send(kLive);
  EXPECT_NE(known.read_until("ok\n"), "");
  RawPeer fresh(admin.address);
  EXPECT_EQ(fresh.read_all(), "");
  EXPECT_TRUE(fresh.closed);
  // That has taken longer than a first request may.
  known.send(kLive);
  EXPECT_NE(known.read_until("ok\n"), "");
}

TEST(ServerLimits, GivesANewOneThePlaceOfWhoHasBeenIdleLongest) {
  Limits limits;
  limits.connections = 2;
  AdminFixture admin(with_limits(limits));
  RawPeer first(admin.address);
  RawPeer second(admin.address);
  for (RawPeer* const peer : {&first, &second, &first}) {
    peer->send(kLive);
    EXPECT_NE(peer->read_until("ok\n"), "");
  }
  RawPeer third(admin.address);
  third.send(kLive);
  EXPECT_NE(third.read_until("ok\n"), "");
  EXPECT_EQ(second.read_all(), "");
  EXPECT_TRUE(second.closed);
  first.send(kLive);
  EXPECT_NE(first.read_until("ok\n"), "");
}

TEST(ServerLimits, NobodyWhoIsServedGivesHisPlace) {
  Limits limits;
  limits.connections = 2;
  AdminFixture admin(with_limits(limits));
  admin.backend.answer_actions = false;
  RawPeer first(admin.address);
  RawPeer second(admin.address);
  for (RawPeer* const peer : {&first, &second}) {
    peer->send(
        "POST /api/v1/rollouts/checkout/pause HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\n\r\n");
  }
  std::size_t waiting = 0;
  while (waiting < 2) admin.on_control([&] { waiting = admin.backend.owed.size(); });
  RawPeer third(admin.address);
  third.send(kLive);
  EXPECT_EQ(third.read_all(), "");
  EXPECT_TRUE(third.closed);
  admin.on_control([&] {
    for (const auto& answer : admin.backend.owed) answer();
  });
  EXPECT_TRUE(first.read_all().starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(second.read_all().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST(ServerLimits, DoesNotWaitForTheBackendForEver) {
  Limits limits;
  limits.backend = std::chrono::milliseconds(50);
  AdminFixture admin(with_limits(limits));
  admin.backend.answer_actions = false;
  const std::string pause =
      "POST /api/v1/rollouts/checkout/pause HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n"
      "Content-Length: 0\r\nConnection: close\r\n\r\n";
  EXPECT_TRUE(answer_to(admin, pause).starts_with("HTTP/1.1 504 "));
  EXPECT_TRUE(answer_to(admin, pause).starts_with("HTTP/1.1 409 "));  // Still running.
  admin.on_control([&] { admin.backend.owed.at(0)(); });
  EXPECT_TRUE(answer_to(admin, pause).starts_with("HTTP/1.1 200 "));  // Remembered.
  EXPECT_EQ(admin.backend.actions.size(), 1U);
}

TEST(ServerLimits, AnswersWhenTheBackendIsDone) {
  AdminFixture admin;
  admin.backend.answer_actions = false;
  RawPeer peer(admin.address);
  peer.send(
      "POST /api/v1/rollouts/checkout/pause HTTP/1.1\r\nHost: localhost\r\n"
      "Connection: close\r\n\r\n");
  wait_for_action(admin);
  admin.on_control([&] { admin.backend.owed.at(0)(); });
  EXPECT_TRUE(peer.read_all().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST(ServerLimits, StopsAtOnceWhateverIsOpen) {
  AdminFixture admin;
  admin.backend.answer_actions = false;
  RawPeer idle(admin.address);
  idle.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(idle.read_until("ok\n"), "");
  RawPeer waiting(admin.address);
  waiting.send("POST /api/v1/rollouts/checkout/pause HTTP/1.1\r\nHost: localhost\r\n\r\n");
  wait_for_action(admin);
  admin.stop();
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_TRUE(idle.closed);
  EXPECT_EQ(waiting.read_all(), "");
  EXPECT_TRUE(waiting.closed);
  admin.on_control([&] { admin.backend.owed.at(0)(); });  // Too late, and harmless.
}

// ---- Binding ------------------------------------------------------------------------------------

Result<std::string> start_on(const std::string& address) {
  boost::asio::io_context io;
  canaryd::test::FakeBackend backend;
  Server server(io, backend, {.address = address, .limits = {}});
  return server.start();
}

TEST(ServerBind, AcceptsLoopbackOnly) {
  EXPECT_TRUE(start_on("127.0.0.1:0").value().starts_with("127.0.0.1:"));
  EXPECT_TRUE(start_on("localhost:0").value().starts_with("127.0.0.1:"));
  EXPECT_EQ(start_on("0.0.0.0:0").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(start_on("[::]:0").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(start_on("10.0.0.1:0").error().code, ErrorCode::kUnsupported);
  for (const char* address : {"", "9901", "127.0.0.1", "127.0.0.1:x", "example.org:80", "unix:"}) {
    EXPECT_FALSE(start_on(address)) << address;
  }
}

TEST(ServerBind, SaysWhenTheAddressIsTaken) {
  AdminFixture admin;
  const Error error = start_on(admin.address).error();
  EXPECT_EQ(error.code, ErrorCode::kAddressInUse);
  EXPECT_NE(error.context.find("admin API cannot listen on "), std::string::npos) << error.context;
  EXPECT_NE(error.context.find("set another `admin` address"), std::string::npos);
}

class UnixServer : public testing::Test {
 protected:
  UnixServer() {
    std::string pattern = testing::TempDir() + "canaryd_admin_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ / "admin.sock";
  }
  ~UnixServer() override { std::filesystem::remove_all(folder_); }
  std::string address() const { return "unix:" + path_.string(); }

  std::filesystem::path folder_;
  std::filesystem::path path_;
};

TEST_F(UnixServer, ServesTheGroupAndKnowsThePeer) {
  {
    AdminFixture admin({.address = address(), .limits = {}});
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0660U);
    client::Request request;
    request.method = "POST";
    request.target = "/api/v1/rollouts/checkout/pause";
    const client::HttpClient http(client::parse_address(admin.address).value());
    const auto response = http.fetch(request);
    ASSERT_TRUE(response) << describe(response.error());
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(admin.backend.actions.at(0).actor, "uid:" + std::to_string(::getuid()));
    EXPECT_EQ(start_on(address()).error().code, ErrorCode::kAddressInUse);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

// Without tokens: whoever the mode of the file lets in may do everything.
TEST_F(UnixServer, IsOpenOnlyIfTheModeLeavesOthersOut) {
  boost::asio::io_context io;
  Options options;
  options.address = address();
  const auto listen = [&](unsigned mode, bool has_tokens) {
    options.socket.mode = mode;
    Acceptor acceptor(io);
    Result<Bound> bound = listen_on(acceptor, options, has_tokens);
    if (bound) remove_socket(bound->mark);
    return bound;
  };
  for (const unsigned mode : {0600U, 0660U, 0664U, 0770U}) {
    EXPECT_TRUE(listen(mode, true).value().is_open) << mode;
    EXPECT_TRUE(listen(mode, false).value().is_open) << mode;
  }
  for (const unsigned mode : {0666U, 0662U, 0777U, 0602U}) {
    EXPECT_FALSE(listen(mode, true).value().is_open) << mode;
    EXPECT_TRUE(listen(mode, true).value().is_local) << mode;
    EXPECT_EQ(listen(mode, false).error().code, ErrorCode::kUnsupported) << mode;
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

// The answer to another account of this machine; 0 if we cannot become one.
int status_for_nobody(const std::string& address, const std::string& target) {
  int status = 0;
  std::thread other([&] {
    constexpr int kNobody = 65534;
    // Of this thread alone, which ::seteuid is not.
    if (::syscall(SYS_setresuid, -1, kNobody, -1) != 0) return;
    client::Request request;
    request.method = "POST";
    request.target = target;
    const client::HttpClient http(client::parse_address(address).value());
    const auto response = http.fetch(request);
    status = response ? response->status : -1;
  });
  other.join();
  return status;
}

TEST_F(UnixServer, TurnsOtherAccountsAwayWhenTheLastTokenHasGone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  std::filesystem::permissions(folder_, std::filesystem::perms(0755));
  std::vector<Token> tokens{{"ci", Role::kOperator, digest_of("token-of-the-operator")}};
  Options options;
  options.address = address();
  options.socket.mode = 0666;
  options.tokens = [&tokens] { return tokens; };
  AdminFixture admin(options);
  const std::string pause = "/api/v1/rollouts/checkout/pause";
  if (status_for_nobody(admin.address, pause) == 0) GTEST_SKIP() << "not even root can";
  EXPECT_EQ(status_for_nobody(admin.address, pause), 401);
  admin.on_control([&] { tokens.clear(); });
  EXPECT_EQ(status_for_nobody(admin.address, pause), 401);
  EXPECT_TRUE(admin.backend.actions.empty());
}

TEST_F(UnixServer, TakesOverASocketThatNobodyServes) {
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  path_.string().copy(local.sun_path, sizeof(local.sun_path) - 1);
  auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&local));
  ASSERT_EQ(::bind(dead, generic, sizeof(local)), 0);
  ::close(dead);
  EXPECT_TRUE(start_on(address()));
}

TEST_F(UnixServer, LeavesAFileThatIsNotASocketAlone) {
  std::filesystem::create_directory(path_);
  EXPECT_EQ(start_on(address()).error().code, ErrorCode::kAddressInUse);
  EXPECT_TRUE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace canaryd::admin
