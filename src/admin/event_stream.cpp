#include "admin/event_stream.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace canaryd::admin {

std::string to_frame(const control::StreamEvent& event) {
  std::string frame;
  frame.reserve(event.data.size() + event.type.size() + 48);
  if (event.id != 0) frame += "id: " + std::to_string(event.id) + "\n";
  frame += "event: ";
  frame += event.type;
  frame += '\n';
  std::string_view rest = event.data;
  while (true) {
    const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
    frame += "data: ";
    frame += rest.substr(0, end);
    frame += '\n';
    if (end == rest.size()) break;
    rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : 1));
  }
  frame += '\n';
  return frame;
}

void EventStream::push(const control::StreamEvent& event) {
  if (ended_) return;
  const bool was_empty = empty();
  std::string frame = to_frame(event);
  if (!tell_dropped() || queued_bytes_ + frame.size() > queue_bytes_max_) {
    ++dropped_;
  } else {
    enqueue(std::move(frame));
  }
  if (was_empty && ready_) ready_();
}

std::string EventStream::take(std::size_t bytes_max) {
  if (queue_.empty()) static_cast<void>(tell_dropped());
  std::string out;
  while (!queue_.empty() && (out.empty() || out.size() + queue_.front().size() <= bytes_max)) {
    queued_bytes_ -= queue_.front().size();
    out += queue_.front();
    queue_.pop_front();
  }
  return out;
}

void EventStream::end() {
  ended_ = true;
  source_.reset();
  ready_ = nullptr;
  queue_.clear();
  queued_bytes_ = 0;
  dropped_ = 0;
}

void EventStream::enqueue(std::string frame) {
  queued_bytes_ += frame.size();
  queue_.push_back(std::move(frame));
}

bool EventStream::tell_dropped() {
  if (dropped_ == 0) return true;
  const std::string data = "{\"events\":" + std::to_string(dropped_) + "}";
  std::string frame = to_frame({0, "dropped", data});
  if (!queue_.empty() && queued_bytes_ + frame.size() > queue_bytes_max_) return false;
  dropped_ = 0;
  enqueue(std::move(frame));
  return true;
}

}  // namespace canaryd::admin
