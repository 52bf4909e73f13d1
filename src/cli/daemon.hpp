// Talking to the daemon: one call, one answer, and the exit code that it means.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/client/event_reader.hpp"
#include "canaryd/client/http_client.hpp"
#include "cli/json_view.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::cli {

// Failure of a call, ready for the user.
struct Failure {
  int exit_code = 1;
  std::string message;  // Printable; may have several lines; no line feed at the end.
  // Of an answer that passes by itself (429, 503, 504): when to ask again.
  std::optional<Duration> again{};
  std::string answer{};  // JSON, of an answer that said more; as it came.
};

template <class T>
using Outcome = tl::expected<T, Failure>;

// "canaryd.yaml:42:10: error: unknown key; did you mean ...?", of one of an answer's `problems`;
// not yet safe to print.
[[nodiscard]] std::string problem_line(JsonView problem);

// An answer that goes on.
class Stream {
 public:
  explicit Stream(std::unique_ptr<client::EventReader> reader) : reader_(std::move(reader)) {}
  // The next event, or none when there is none within the limit. Failure: the stream has ended,
  // whatever the reason.
  [[nodiscard]] Outcome<std::optional<client::Event>> next(Duration limit);

 private:
  std::unique_ptr<client::EventReader> reader_;
};

class Daemon {
 public:
  // Failure: not an address, or no token in the file. Without a file no token is shown.
  [[nodiscard]] static Outcome<Daemon> at(const std::string& address,
                                          const std::string& token_file);

  [[nodiscard]] std::string address() const { return address_.to_string(); }

  // Asked while an answer, or the beginning of a stream, is waited for; true: it is waited for no
  // longer, which is a Failure.
  void give_up_when(std::function<bool()> interrupted) { interrupted_ = std::move(interrupted); }

  // Answers of status 200 and 202; everything else is a Failure. `left`: all the time that there
  // is, if that is less than a call may take anyway; more than nothing.
  [[nodiscard]] Outcome<client::Response> get(const std::string& target,
                                              std::optional<Duration> left = {}) const;
  [[nodiscard]] Outcome<client::Response> post(const std::string& target,
                                               std::string body,
                                               std::vector<client::Header> more = {}) const;
  // Failure: also an answer that does not go on.
  [[nodiscard]] Outcome<Stream> stream(const std::string& target) const;

 private:
  Daemon(client::Address address, std::string token)
      : address_(std::move(address)), token_(std::move(token)) {}
  [[nodiscard]] std::vector<client::Header> headers(client::Header first) const;
  [[nodiscard]] Outcome<client::Response> fetch(const client::Request& request,
                                                std::optional<Duration> left = {}) const;

  client::Address address_;
  std::string token_;  // Empty: none.
  std::function<bool()> interrupted_;
};

}  // namespace canaryd::cli
