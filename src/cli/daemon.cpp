#include "cli/daemon.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/cli/commands.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"

#include <boost/json.hpp>

namespace canaryd::cli {
namespace {

constexpr std::size_t kProblemsMax = 100;
// Longer than the daemon's own limit for an action, so that its answer comes first.
constexpr Duration kExchangeLimit = std::chrono::seconds(40);

Failure failure_of(const Error& error) {
  // Before the request was sent, or without any answer: there is no daemon.
  const bool not_there = error.retry == Retry::kSafe || error.code == ErrorCode::kClosed ||
                         error.code == ErrorCode::kReset;
  if (not_there) return {kExitUnreachable, error.context};
  if (error.code == ErrorCode::kTimeout) return {kExitTimeout, error.context};
  return {kExitFailed, error.context};
}

int exit_code_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return kExitUnauthorised;
    case 409:
    case 412:
      return kExitRefused;
    case 408:
    case 504:
      return kExitTimeout;
    default:
      return kExitFailed;
  }
}

// "canaryd.yaml:42:10: error: unknown key; did you mean ...?"
std::string problem_line(JsonView problem) {
  std::string place = problem["file"].text();
  if (problem["line"].number().value_or(0) > 0) {
    place += ":" + format_count(problem["line"].number()) + ":" +
             format_count(problem["column"].number());
  }
  const std::string hint = problem["hint"].text();
  return place + ": " + problem["severity"].text() + ": " + problem["message"].text() +
         (hint.empty() ? "" : "; " + hint);
}

Failure failure_of(const client::Response& response) {
  Failure failure{exit_code_of(response.status), "status " + std::to_string(response.status)};
  const auto document = parse_json(response.body);
  if (!document) return failure;
  const JsonView body(*document);
  std::string safe;
  append_printable(safe, body["detail"].text());
  if (!safe.empty()) failure.message = safe;
  if (body["problems"].size() > 0 && response.status == 422) failure.exit_code = kExitConfigInvalid;
  for (std::size_t i = 0; i < std::min(body["problems"].size(), kProblemsMax); ++i) {
    failure.message += '\n';
    append_printable(failure.message, problem_line(body["problems"][i]));
  }
  return failure;
}

}  // namespace

Outcome<Daemon> Daemon::at(const std::string& address) {
  auto parsed = client::parse_address(address);
  if (!parsed) {
    std::string message = "--addr ";
    append_printable(message, address + ": " + parsed.error().context);
    return tl::unexpected(Failure{kExitUsage, message});
  }
  client::Limits limits;
  limits.exchange = kExchangeLimit;
  return Daemon(client::HttpClient(std::move(*parsed), limits));
}

Outcome<client::Response> Daemon::get(const std::string& target) const {
  client::Request request;
  request.target = target;
  return fetch(request);
}

Outcome<client::Response> Daemon::post(const std::string& target, std::string body) const {
  client::Request request;
  request.method = "POST";
  request.target = target;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::move(body);
  return fetch(request);
}

Outcome<client::Response> Daemon::fetch(const client::Request& request) const {
  auto response = http_.fetch(request);
  if (!response) return tl::unexpected(failure_of(response.error()));
  if (response->status != 200 && response->status != 202) {
    return tl::unexpected(failure_of(*response));
  }
  return std::move(*response);
}

Outcome<Stream> Daemon::stream(const std::string& target) const {
  auto reader = std::make_unique<client::EventReader>(http_.address());
  client::Request request;
  request.target = target;
  request.headers = {{"Accept", "text/event-stream"}};
  const auto response = reader->open(request);
  if (!response) return tl::unexpected(failure_of(response.error()));
  if (response->status != 200) return tl::unexpected(failure_of(*response));
  if (!client::is_event_stream(*response)) {
    return tl::unexpected(Failure{kExitFailed, "the answer is not a stream of events"});
  }
  return Stream(std::move(reader));
}

Outcome<std::optional<client::Event>> Stream::next(Duration limit) {
  auto event = reader_->next(limit);
  if (!event) return tl::unexpected(failure_of(event.error()));
  return std::move(*event);
}

}  // namespace canaryd::cli
