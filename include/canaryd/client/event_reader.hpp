// HttpClient for an answer that goes on: server-sent events (HTML Living Standard, section 9.2).
//
// Nothing in the answer is trusted: an event has a size limit, the silence between two signs of
// life a time limit, and no more is read from the connection than has been asked for. Thread rule:
// one thread; open() and next() block.
#pragma once

#include "canaryd/client/http_client.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace canaryd::client {

struct Event {
  std::string id;  // The last one given; empty: none yet.
  std::string type = "message";
  std::string data;
};

struct StreamLimits {
  Duration connect = std::chrono::seconds(5);   // Resolve and connect.
  Duration answer = std::chrono::seconds(30);   // The head, or all of an answer that is no stream.
  Duration silence = std::chrono::seconds(60);  // Four times the server's heartbeat.
  std::size_t header_bytes = std::size_t{32} * 1024;
  std::size_t body_bytes = std::size_t{1024} * 1024;  // Of an answer that is no stream.
  std::size_t event_bytes = std::size_t{64} * 1024;
};

class EventReader {
 public:
  explicit EventReader(Address address, StreamLimits limits = {});
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;
  ~EventReader();

  // Once. Any answer is a Response: when it is no stream, with its body; else events follow. Errors
  // as those of HttpClient::fetch, and `gives_up` is as there.
  [[nodiscard]] Result<Response> open(const Request& request,
                                      const std::function<bool()>& gives_up = {});
  // After open() has answered with a stream. The next event, or none when there is none within
  // about `limit`. kClosed: the stream has ended; kReset, kTimeout and others: it was lost; from
  // then on always.
  [[nodiscard]] Result<std::optional<Event>> next(Duration limit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether the head of an answer announces a stream.
[[nodiscard]] bool is_event_stream(const Response& response) noexcept;

}  // namespace canaryd::client
