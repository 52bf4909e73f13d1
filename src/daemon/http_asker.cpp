#include "daemon/http_asker.hpp"

#include "canaryd/base/ip.hpp"
#include "canaryd/client/async_client.hpp"

#include <boost/asio/post.hpp>

#include <chrono>
#include <utility>
#include <vector>

namespace canaryd::daemon {
namespace {

// Of one name. More would only make a provider that is down slower to tell.
constexpr std::size_t kAddressesMax = 4;

client::Request request_of(const control::HttpQuestion& question) {
  client::Request request;
  request.method = question.method;
  request.target = question.url.target;
  request.headers = question.headers;
  request.headers.push_back({"Host", question.url.authority()});
  request.body = question.body;
  return request;
}

}  // namespace

struct HttpAsker::Asking {
  control::HttpQuestion question;
  Done done;
  std::vector<client::Address> addresses;  // Of its host, to be tried in this order.
  std::size_t next = 0;
};

void HttpAsker::ask(control::HttpQuestion question, Done done) {
  auto asking = std::make_shared<Asking>();
  asking->question = std::move(question);
  asking->done = std::move(done);
  if (open_ >= at_once_) {
    waiting_.push_back(std::move(asking));
    return;
  }
  begin(std::move(asking));
}

void HttpAsker::begin(std::shared_ptr<Asking> asking) {
  ++open_;
  const client::Address address = client::address_of(asking->question.url);
  if (!parse_ip(address.host)) return look_up(asking);
  asking->addresses.push_back(address);
  try_next(asking);
}

// Not by the client, whose look-up the end of the process would have to wait for.
void HttpAsker::look_up(const std::shared_ptr<Asking>& asking) {
  const HttpUrl& url = asking->question.url;
  if (resolver_ == nullptr) {
    boost::asio::post(io_, [this, asking] {
      end(asking, fail(ErrorCode::kNotFound, "names are not looked up"));
    });
    return;
  }
  resolver_->resolve(
      url.host, url.port, [this, asking](const Result<std::vector<SocketAddress>>& found) {
        const HttpUrl& asked = asking->question.url;
        if (!found || found->empty()) {
          const std::string why = found ? "it has no address" : found.error().context;
          const ErrorCode code = found ? ErrorCode::kNotFound : found.error().code;
          end(asking, fail(code, "cannot find " + asked.host + ": " + why));
          return;
        }
        for (const SocketAddress& each : *found) {
          if (asking->addresses.size() == kAddressesMax) break;
          client::Address address = client::address_of(asked);
          address.host = to_string(each.ip);
          asking->addresses.push_back(std::move(address));
        }
        try_next(asking);
      });
}

// The next address, as long as the one before was not connected to.
void HttpAsker::try_next(const std::shared_ptr<Asking>& asking) {
  const control::HttpQuestion& question = asking->question;
  client::Limits limits;
  // Each its share, so that all of them together keep to the time.
  limits.total = question.timeout / static_cast<std::int64_t>(asking->addresses.size());
  limits.body_bytes = question.body_bytes_max;
  limits.head_only = question.head_only;
  const client::Address& address = asking->addresses[asking->next++];
  client::fetch_later(
      io_, address, limits, request_of(question), [this, asking](Result<client::Response> answer) {
        const bool another = asking->next < asking->addresses.size();
        if (!answer && another && answer.error().retry == Retry::kSafe) return try_next(asking);
        end(asking, std::move(answer));
      });
}

void HttpAsker::end(const std::shared_ptr<Asking>& asking, Result<client::Response> answer) {
  --open_;
  if (!waiting_.empty()) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    begin(std::move(next));
  }
  asking->done(std::move(answer));
}

}  // namespace canaryd::daemon
