// Providers that answer by hand: what was asked, and when its answer comes.
#pragma once

#include "canaryd/control/http_io.hpp"

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::control::test {

inline client::Response http_answer(int status, std::string body = {}) {
  client::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// What Prometheus answers when the query gives one sample.
inline client::Response sample(const std::string& value) {
  return http_answer(200,
                     R"({"status":"success","data":{"resultType":"vector","result":[)"
                     R"({"metric":{},"value":[1700000000.1,")" +
                         value + R"("]}]}})");
}

class FakeHttpIo final : public HttpIo {
 public:
  void ask(HttpQuestion question, Done done) override {
    asked.push_back(std::move(question));
    waiting_.push_back(std::move(done));
  }

  // The oldest question without an answer gets this one. False: there is none.
  bool answer(Result<client::Response> response) {
    if (waiting_.empty()) return false;
    const Done done = std::move(waiting_.front());
    waiting_.pop_front();
    done(std::move(response));
    return true;
  }
  [[nodiscard]] std::size_t unanswered() const { return waiting_.size(); }

  std::vector<HttpQuestion> asked;

 private:
  std::deque<Done> waiting_;
};

}  // namespace canaryd::control::test
