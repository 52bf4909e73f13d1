// A request to the admin API and its answer as plain values, between the socket side (server.cpp)
// and the API.
#pragma once

#include "canaryd/admin/token.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::admin {

class EventStream;

struct Request {
  std::string method;
  std::string target;  // Path and query, as sent.
  bool from_unix_socket = false;
  std::string peer;  // Who is behind the connection: "local", "10.0.0.7", "uid:1000".
  std::optional<std::uint32_t> peer_uid;  // Of a Unix socket.
  std::string actor;                      // Who asks, for the journal: of the token, else the peer.
  std::optional<TokenDigest> actor_token;  // What has proved the actor.
  Role actor_role = Role::kNobody;
  std::string body;
  // Empty when the header is absent.
  std::optional<std::string> host;  // Of the target, if that has one.
  std::optional<std::string> origin;
  std::optional<std::string> fetch_site;  // Sec-Fetch-Site.
  std::optional<std::string> content_type;
  std::optional<std::string> if_match;
  std::optional<std::string> idempotency_key;
  std::optional<std::string> last_event_id;
  std::optional<std::string> accept;         // All of them, in one.
  std::optional<std::string> via;            // Likewise.
  std::optional<std::string> authorization;  // A secret: not for logs, answers or the backend.

  [[nodiscard]] std::string_view path() const noexcept {
    return std::string_view(target).substr(0, target.find('?'));
  }
  [[nodiscard]] std::string_view query() const noexcept {
    const std::size_t mark = target.find('?');
    return mark == std::string::npos ? std::string_view()
                                     : std::string_view(target).substr(mark + 1);
  }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::shared_ptr<EventStream> events{};  // Set: they follow the head, in place of the body.
};

}  // namespace canaryd::admin
