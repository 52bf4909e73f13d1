// The taps that are open (telemetry/tap.hpp): makes them known to the workers, and hands on what
// these write. Private to the room. Thread rule: the control thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/control/data_plane.hpp"
#include "canaryd/control/events.hpp"
#include "canaryd/telemetry/tap.hpp"

#include <memory>

namespace canaryd::control {

class Taps {
 public:
  // The plane outlives it.
  explicit Taps(DataPlane& plane);

  // Events of type "request" have the data of an access log line; one of type "sampled" says,
  // once a second at most, how many more there were: {"left_out": 12}.
  [[nodiscard]] std::unique_ptr<Subscription> open(telemetry::TapFilter filter, EventSink sink);
  // Several times a second: whoever watches waits that long.
  void drain(Monotonic now);

 private:
  struct Open;
  struct Shared;
  class Handle;
  std::shared_ptr<Shared> shared_;
};

}  // namespace canaryd::control
