// Talking to the daemon: one call, one answer, and the exit code that it means.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/client/http_client.hpp"

#include <string>

namespace canaryd::cli {

// Failure of a call, ready for the user.
struct Failure {
  int exit_code = 1;
  std::string message;  // Printable; may have several lines; no line feed at the end.
};

template <class T>
using Outcome = tl::expected<T, Failure>;

class Daemon {
 public:
  // Failure: not an address.
  [[nodiscard]] static Outcome<Daemon> at(const std::string& address);

  // Answers of status 200 and 202; everything else is a Failure.
  [[nodiscard]] Outcome<client::Response> get(const std::string& target) const;
  [[nodiscard]] Outcome<client::Response> post(const std::string& target, std::string body) const;

 private:
  explicit Daemon(client::HttpClient http) : http_(std::move(http)) {}
  [[nodiscard]] Outcome<client::Response> fetch(const client::Request& request) const;

  client::HttpClient http_;
};

}  // namespace canaryd::cli
