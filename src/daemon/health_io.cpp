#include "daemon/health_io.hpp"

#include "canaryd/base/error.hpp"
#include "canaryd/client/async_client.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

namespace canaryd::daemon {
namespace {

using Kind = control::HealthAnswer::Kind;

client::Address address_of(const SocketAddress& endpoint) {
  client::Address address;
  address.host = to_string(endpoint.ip);
  address.port = endpoint.port;
  return address;
}

control::HealthAnswer answer_of(const Result<client::Response>& response) {
  if (!response) {
    // Out of descriptors: that says nothing about the endpoint.
    if (response.error().origin == Origin::kLocal) return {Kind::kNone, describe(response.error())};
    return {Kind::kBad, response.error().context};
  }
  if (response->status >= 200 && response->status < 300) return {Kind::kGood, {}};
  return {Kind::kBad, "status " + std::to_string(response->status)};
}

}  // namespace

void HttpHealthIo::ask(control::HealthQuestion question,
                       std::function<void(control::HealthAnswer)> done) {
  Waiting waiting{std::move(question), std::move(done)};
  if (open_ >= kQuestionsMax) {
    waiting_.push_back(std::move(waiting));
    return;
  }
  send(std::move(waiting));
}

void HttpHealthIo::send(Waiting waiting) {
  ++open_;
  client::Limits limits;
  limits.total = waiting.question.timeout;
  limits.head_only = true;
  client::Request request;
  request.target = waiting.question.path;
  request.headers = {{"User-Agent", "canaryd-health-check"}};
  auto take = [this, done = std::move(waiting.done)](const Result<client::Response>& response) {
    --open_;
    if (!waiting_.empty()) {
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      send(std::move(next));
    }
    done(answer_of(response));
  };
  client::fetch_later(
      io_, address_of(waiting.question.endpoint), limits, std::move(request), std::move(take));
}

void HttpHealthIo::call_after(Duration wait, std::function<void()> done) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, wait);
  timer->async_wait([timer, done = std::move(done)](const boost::system::error_code& error) {
    if (!error) done();
  });
}

}  // namespace canaryd::daemon
