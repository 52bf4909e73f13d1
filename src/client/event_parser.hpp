// Server-sent events from bytes, as they come (HTML Living Standard, section 9.2.6). Pure. Private
// to the room.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/client/event_reader.hpp"

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace canaryd::client {

class EventParser {
 public:
  explicit EventParser(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  // Appends the events that these bytes complete. kLimit: a line or an event is too long.
  [[nodiscard]] Result<void> feed(std::string_view bytes, std::deque<Event>& events);

 private:
  void end_line(std::deque<Event>& events);
  void read_field(std::string_view name, std::string_view value);

  const std::size_t event_bytes_max_;
  std::string line_;
  bool after_return_ = false;  // A line feed that follows belongs to it.
  bool at_start_ = true;       // A byte order mark may follow.
  std::string id_;
  std::string type_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace canaryd::client
