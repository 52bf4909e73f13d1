#include "daemon/health_io.hpp"

#include "canaryd/base/error.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>
#include <utility>

namespace canaryd::daemon {
namespace {

using Kind = control::HealthAnswer::Kind;

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
  control::HttpQuestion asked;
  asked.url.host = to_string(question.endpoint.ip);
  asked.url.port = question.endpoint.port;
  asked.url.target = std::move(question.path);
  asked.headers = {{"User-Agent", "canaryd-health-check"}};
  asked.timeout = question.timeout;
  asked.head_only = true;
  asker_.ask(std::move(asked), [done = std::move(done)](const Result<client::Response>& response) {
    done(answer_of(response));
  });
}

void HttpHealthIo::call_after(Duration wait, std::function<void()> done) {
  auto timer = std::make_shared<boost::asio::steady_timer>(io_, wait);
  timer->async_wait([timer, done = std::move(done)](const boost::system::error_code& error) {
    if (!error) done();
  });
}

}  // namespace canaryd::daemon
