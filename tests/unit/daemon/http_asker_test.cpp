#include "daemon/http_asker.hpp"

#include "support/scripted_server.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::daemon {
namespace {

using namespace std::chrono_literals;
using canaryd::test::ScriptedServer;

class HttpAskerTest : public ::testing::Test {
 protected:
  void ask(HttpAsker& asker, control::HttpQuestion question) {
    const std::size_t index = answers_.size();
    answers_.push_back(nullptr);
    asker.ask(std::move(question), [this, index](Result<client::Response> answer) {
      EXPECT_EQ(answers_[index], nullptr);
      answers_[index] = std::make_unique<Result<client::Response>>(std::move(answer));
    });
    EXPECT_EQ(answers_[index], nullptr);  // Never inside the call.
  }
  static control::HttpQuestion question_to(std::uint16_t port, std::string host = "127.0.0.1") {
    control::HttpQuestion question;
    question.url.host = std::move(host);
    question.url.port = port;
    question.timeout = 20s;
    return question;
  }
  [[nodiscard]] const Result<client::Response>& answer(std::size_t index) const {
    return *answers_.at(index);
  }

  boost::asio::io_context io_{1};
  std::vector<std::unique_ptr<Result<client::Response>>> answers_;
};

TEST_F(HttpAskerTest, SendsWhatItIsGiven) {
  ScriptedServer server("HTTP/1.1 422 No\r\nContent-Length: 3\r\n\r\nbad");
  HttpAsker asker(io_, nullptr, 4);
  control::HttpQuestion question = question_to(server.port);
  question.url.target = "/gate?x=1";
  question.method = "POST";
  question.headers = {{"Content-Type", "application/json"}};
  question.body = "{}";
  ask(asker, question);
  io_.run();
  ASSERT_TRUE(answer(0).has_value());
  EXPECT_EQ(answer(0)->status, 422);
  EXPECT_EQ(answer(0)->body, "bad");
  const std::string sent = server.request();
  EXPECT_TRUE(sent.starts_with("POST /gate?x=1 HTTP/1.1\r\n")) << sent;
  EXPECT_NE(sent.find("Content-Type: application/json\r\n"), std::string::npos) << sent;
  EXPECT_NE(sent.find("Content-Length: 2\r\n"), std::string::npos) << sent;
}

TEST_F(HttpAskerTest, ANameIsLookedUpAndSentAsItWasGiven) {
  ScriptedServer server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  Resolver resolver(io_);
  HttpAsker asker(io_, &resolver, 4);
  // It may have an address of the other family too, on which nobody listens.
  ask(asker, question_to(server.port, "localhost"));
  while (answers_[0] == nullptr && io_.run_one() > 0) {
  }
  ASSERT_TRUE(answer(0).has_value()) << describe(answer(0).error());
  const std::string sent = server.request();
  const std::string host = "Host: localhost:" + std::to_string(server.port) + "\r\n";
  EXPECT_NE(sent.find(host), std::string::npos) << sent;
  EXPECT_EQ(sent.find("Host: 127"), std::string::npos) << sent;
}

TEST_F(HttpAskerTest, WithoutAResolverThereAreNoNames) {
  HttpAsker asker(io_, nullptr, 4);
  ask(asker, question_to(80, "localhost"));
  io_.run();
  EXPECT_EQ(answer(0).error().code, ErrorCode::kNotFound);
}

TEST_F(HttpAskerTest, AnAnswerIsBoundedInTimeAndSize) {
  ScriptedServer silent("", true);
  ScriptedServer huge("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'x'));
  HttpAsker asker(io_, nullptr, 4);
  control::HttpQuestion question = question_to(silent.port);
  question.timeout = 50ms;
  ask(asker, question);
  question = question_to(huge.port);
  question.body_bytes_max = 1999;
  ask(asker, question);
  io_.run();
  EXPECT_EQ(answer(0).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(answer(1).error().code, ErrorCode::kLimit);
}

TEST_F(HttpAskerTest, FurtherQuestionsWaitForTheirTurn) {
  ScriptedServer silent("", true);
  ScriptedServer fast("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  HttpAsker asker(io_, nullptr, 1);
  control::HttpQuestion question = question_to(silent.port);
  question.timeout = 50ms;
  ask(asker, question);
  ask(asker, question_to(fast.port));
  while (answers_[0] == nullptr) {
    EXPECT_EQ(answers_[1], nullptr);
    io_.run_one();
  }
  io_.run();
  EXPECT_EQ(answer(0).error().code, ErrorCode::kTimeout);
  ASSERT_TRUE(answer(1).has_value());
  EXPECT_EQ(answer(1)->status, 200);
}

}  // namespace
}  // namespace canaryd::daemon
