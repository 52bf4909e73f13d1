#include "cli/daemon.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/cli/commands.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

namespace canaryd::cli {

std::string problem_line(JsonView problem) {
  std::string place = problem["file"].text();
  if (!place.empty() && problem["line"].number().value_or(0) > 0) {
    place += ":" + format_count(problem["line"].number()) + ":" +
             format_count(problem["column"].number());
  }
  const std::string hint = problem["hint"].text();
  return place + (place.empty() ? "" : ": ") + problem["severity"].text() + ": " +
         problem["message"].text() + (hint.empty() ? "" : "; " + hint);
}

namespace {

constexpr std::size_t kProblemsMax = 100;
// Longer than the daemon's own limit for an action, so that its answer comes first.
constexpr Duration kExchangeLimit = std::chrono::seconds(40);

client::Limits limits_within(std::optional<Duration> left) {
  client::Limits limits;
  limits.exchange = kExchangeLimit;
  if (left && *left < limits.connect + limits.exchange) limits.total = *left;
  return limits;
}

// What to do where nobody answers.
std::string next_step(ErrorCode code) {
  constexpr std::string_view kWhere = "--addr http://HOST:PORT or unix:PATH (CANARYD_ADDR)";
  switch (code) {
    case ErrorCode::kPermission:
      return "\n  this user may not open the socket: see admin.socket, or use another account";
    case ErrorCode::kRefused:
    case ErrorCode::kNotFound:
      return "\n  is canaryd running? start it with: canaryd run -c FILE\n  or say where its admin "
             "API "
             "is: " +
             std::string(kWhere);
    default:
      return "";
  }
}

// One token, as the daemon's own file holds it; a hash is no token.
Outcome<std::string> read_token(const std::string& path) {
  constexpr std::size_t kBytesMax = 4096;
  const auto wrong = [&](const std::string& why) {
    std::string message = "--token-file ";
    append_printable(message, path + ": " + why);
    return tl::unexpected(Failure{kExitUsage, message});
  };
  std::ifstream file(path, std::ios::binary);
  std::string text(kBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.gcount() == 0) return wrong("cannot be read, or is empty");
  text.resize(static_cast<std::size_t>(file.gcount()));
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text = text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
  const bool good = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
  if (!good) return wrong("holds no token");
  if (text.starts_with("sha256:")) return wrong("holds the hash of a token: the daemon's own file");
  return text;
}

Failure failure_of(const Error& error) {
  // Before the request was sent, or without any answer: there is no daemon.
  const bool not_there = error.retry == Retry::kSafe || error.code == ErrorCode::kClosed ||
                         error.code == ErrorCode::kReset;
  if (not_there) return {kExitUnreachable, error.context + next_step(error.code)};
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

// Seconds, as Retry-After says them; a date, and nothing at all, are the least.
std::optional<Duration> again_after(const client::Response& response) {
  constexpr std::int64_t kLeast = 1;
  constexpr std::int64_t kMost = 30;
  const int status = response.status;
  if (status != 429 && status != 503 && status != 504) return std::nullopt;
  const std::string_view text = response.header("Retry-After");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc::result_out_of_range) return std::chrono::seconds(kMost);
  if (error != std::errc() || end != text.data() + text.size()) seconds = kLeast;
  return std::chrono::seconds(std::clamp(seconds, kLeast, kMost));
}

// The admin API answers with JSON whatever it is asked.
std::string stranger_text(const client::Response& response) {
  std::string text = "status " + std::to_string(response.status);
  if (response.body.empty()) return text;
  text += response.header("X-Canaryd-Error").empty() ? ": this is not canaryd's admin API"
                                                     : ": this is a listener, not the admin API";
  return text +
         "; --addr is what the configuration has as admin.address, 127.0.0.1:9901 by default";
}

Failure failure_of(const client::Response& response) {
  Failure failure{exit_code_of(response.status), stranger_text(response), again_after(response)};
  const auto document = parse_json(response.body);
  if (!document) return failure;
  failure.message = "status " + std::to_string(response.status);
  const JsonView body(*document);
  failure.answer = response.body;
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

Outcome<Daemon> Daemon::at(const std::string& address, const std::string& token_file) {
  auto parsed = client::parse_address(address);
  if (!parsed) {
    std::string message = "--addr ";
    append_printable(message, address + ": " + parsed.error().context);
    return tl::unexpected(Failure{kExitUsage, message});
  }
  std::string token;
  if (!token_file.empty()) {
    auto read = read_token(token_file);
    if (!read) return tl::unexpected(read.error());
    token = std::move(*read);
  }
  return Daemon(std::move(*parsed), std::move(token));
}

std::vector<client::Header> Daemon::headers(client::Header first) const {
  std::vector<client::Header> all{std::move(first)};
  if (!token_.empty()) all.push_back({"Authorization", "Bearer " + token_});
  return all;
}

Outcome<client::Response> Daemon::get(const std::string& target,
                                      std::optional<Duration> left) const {
  client::Request request;
  request.target = target;
  request.headers = headers({"Accept", "*/*"});
  return fetch(request, left);
}

Outcome<client::Response> Daemon::post(const std::string& target,
                                       std::string body,
                                       std::vector<client::Header> more) const {
  client::Request request;
  request.method = "POST";
  request.target = target;
  request.headers = headers({"Content-Type", "application/json"});
  std::move(more.begin(), more.end(), std::back_inserter(request.headers));
  request.body = std::move(body);
  return fetch(request);
}

Outcome<client::Response> Daemon::fetch(const client::Request& request,
                                        std::optional<Duration> left) const {
  auto response = client::HttpClient(address_, limits_within(left)).fetch(request, interrupted_);
  if (!response) return tl::unexpected(failure_of(response.error()));
  if (response->status != 200 && response->status != 202) {
    return tl::unexpected(failure_of(*response));
  }
  return std::move(*response);
}

Outcome<Stream> Daemon::stream(const std::string& target) const {
  auto reader = std::make_unique<client::EventReader>(address_);
  client::Request request;
  request.target = target;
  request.headers = headers({"Accept", "text/event-stream"});
  const auto response = reader->open(request, interrupted_);
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
