// HTTP/1.1 client of the control plane: canaryctl to the admin API.
//
// One request is one connection. Every phase has a time limit and the answer has a size limit;
// nothing in an answer is trusted. The resolver of the C library cannot be interrupted: with a host
// name (not an address, not a Unix path), fetch may take longer than the limit by what the resolver
// takes. Thread rule: fetch blocks its caller and may be called from several threads at once.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/url.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::client {

// Where a server listens.
struct Address {
  std::string host;  // Name or IP address, without brackets; empty for a Unix socket.
  std::uint16_t port = 0;
  std::string path;  // Unix socket.

  [[nodiscard]] bool is_unix() const noexcept { return !path.empty(); }
  // "127.0.0.1:9901", "[::1]:9901", "unix:/run/canaryd/admin.sock".
  [[nodiscard]] std::string to_string() const;
};

// "http://host:port", "host:port", "[v6]:port" or "unix:PATH". A URL may end in "/" and no more;
// its port defaults to 80. https is kUnsupported.
[[nodiscard]] Result<Address> parse_address(std::string_view text);
[[nodiscard]] Address address_of(const HttpUrl& url);

struct Header {
  std::string name;
  std::string value;
};

struct Request {
  std::string method = "GET";
  std::string target = "/";
  std::vector<Header> headers;  // Content-Length and Connection are added, Host if it is not there.
  std::string body;
};

struct Response {
  int status = 0;
  std::vector<Header> headers;
  std::string body;

  // The first of that name, case ignored; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const noexcept;
};

struct Limits {
  Duration connect = std::chrono::seconds(5);    // Resolve and connect.
  Duration exchange = std::chrono::seconds(30);  // Send the request and read the whole answer.
  Duration total{};                              // In place of the two; 0: not set.
  std::size_t header_bytes = std::size_t{32} * 1024;
  std::size_t body_bytes = std::size_t{16} * 1024 * 1024;
  bool head_only = false;  // The body of the answer is left unread.
};

class HttpClient {
 public:
  explicit HttpClient(Address address, Limits limits = {});

  // Any status is a Response. Errors before the request was sent (no such host, refused, connect
  // time-out) have Retry::kSafe; later ones Retry::kNever. `gives_up` is asked about ten times a
  // second while there is no answer; once it says true, the error is kCancelled.
  [[nodiscard]] Result<Response> fetch(const Request& request,
                                       const std::function<bool()>& gives_up = {}) const;

  [[nodiscard]] const Address& address() const noexcept { return address_; }

 private:
  Address address_;
  Limits limits_;
};

}  // namespace canaryd::client
