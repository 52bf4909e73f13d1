// Events as the control plane hands them out to whoever follows it: values, one at a time.
//
// Thread rule: as for Backend: the control thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace canaryd::control {

// Views are valid during the call that carries it.
struct StreamEvent {
  std::uint64_t id = 0;   // 0: it has none, and cannot be asked for again.
  std::string_view type;  // "request".
  std::string_view data;  // One JSON object.
};

// Takes it at once, or loses it; never blocks.
using EventSink = std::function<void(const StreamEvent&)>;

// Held by the follower; events stop when it is destroyed. It may outlive what it was asked of, and
// is not destroyed from within its sink.
class Subscription {
 public:
  Subscription() = default;
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;
  virtual ~Subscription() = default;
};

}  // namespace canaryd::control
