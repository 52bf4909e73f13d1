#include "client/event_parser.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::client {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

tl::unexpected<Error> too_long() {
  return fail(Error{ErrorCode::kLimit, Origin::kUpstream, Retry::kNever, "an event is too long"});
}

}  // namespace

Result<void> EventParser::feed(std::string_view bytes, std::deque<Event>& events) {
  while (!bytes.empty()) {
    if (std::exchange(after_return_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    if (line_.size() + data_.size() + end > event_bytes_max_) return too_long();
    line_ += bytes.substr(0, end);
    if (end == bytes.size()) return {};
    after_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    end_line(events);
  }
  return {};
}

void EventParser::end_line(std::deque<Event>& events) {
  const std::string text = std::exchange(line_, {});
  std::string_view line = text;
  if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    Event event;
    event.id = id_;
    if (!type_.empty()) event.type = type_;
    type_.clear();
    event.data = std::exchange(data_, {});
    if (std::exchange(has_data_, false)) events.push_back(std::move(event));
    return;
  }
  const std::size_t colon = std::min(line.find(':'), line.size());
  std::string_view value = line.substr(std::min(colon + 1, line.size()));
  if (value.starts_with(' ')) value.remove_prefix(1);
  read_field(line.substr(0, colon), value);
}

// A comment has no name; what is unknown is ignored, "retry" too: nobody here connects again.
void EventParser::read_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (has_data_) data_ += '\n';
    has_data_ = true;
    data_ += value;
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    id_ = value;
  }
}

}  // namespace canaryd::client
