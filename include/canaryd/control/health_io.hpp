// How control asks an endpoint whether it is well, and how it waits in between. The daemon asks
// over HTTP from the control thread; the tests of this room answer by hand.
//
// Thread rule: the control thread, calls and callbacks. Callbacks run later, never inside the call,
// and may be dropped uncalled when the process ends.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/ip.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace canaryd::control {

struct HealthQuestion {
  SocketAddress endpoint;
  std::string path;
  Duration timeout{};  // Of everything, connect and answer.
};

struct HealthAnswer {
  // kNone: it was not asked, for a reason of our own.
  enum class Kind : std::uint8_t { kGood, kBad, kNone };
  Kind kind = Kind::kNone;
  std::string why;  // kBad: "status 503".
};

class HealthIo {
 public:
  HealthIo() = default;
  HealthIo(const HealthIo&) = delete;
  HealthIo& operator=(const HealthIo&) = delete;
  virtual ~HealthIo() = default;

  virtual void ask(HealthQuestion question, std::function<void(HealthAnswer)> done) = 0;
  virtual void call_after(Duration wait, std::function<void()> done) = 0;
};

}  // namespace canaryd::control
