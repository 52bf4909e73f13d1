#include "control/taps.hpp"

#include <string>
#include <utility>
#include <vector>

namespace canaryd::control {
namespace {

constexpr Duration kTellEvery = std::chrono::seconds(1);

}  // namespace

struct Taps::Open {
  std::shared_ptr<telemetry::Tap> tap;
  EventSink sink;
  std::uint64_t told_left_out = 0;
  Monotonic told_at = Monotonic::min();
};

struct Taps::Shared {
  explicit Shared(DataPlane& plane_in) : plane(plane_in) {}

  void publish() {
    auto list = std::make_shared<telemetry::TapList>();
    for (const Open& each : open) list->push_back(each.tap);
    plane.tap(std::move(list));
  }

  DataPlane& plane;
  std::vector<Open> open;
};

class Taps::Handle final : public Subscription {
 public:
  Handle(const std::shared_ptr<Shared>& shared, std::shared_ptr<telemetry::Tap> tap)
      : shared_(shared), tap_(std::move(tap)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() override {
    const auto shared = shared_.lock();
    if (shared == nullptr) return;
    std::erase_if(shared->open, [this](const Open& each) { return each.tap == tap_; });
    shared->publish();
  }

 private:
  std::weak_ptr<Shared> shared_;
  std::shared_ptr<telemetry::Tap> tap_;
};

Taps::Taps(DataPlane& plane) : shared_(std::make_shared<Shared>(plane)) {}

std::unique_ptr<Subscription> Taps::open(telemetry::TapFilter filter, EventSink sink) {
  Open opened;
  opened.tap = std::make_shared<telemetry::Tap>(std::move(filter), shared_->plane.workers());
  opened.sink = std::move(sink);
  auto handle = std::make_unique<Handle>(shared_, opened.tap);
  shared_->open.push_back(std::move(opened));
  shared_->publish();
  return handle;
}

void Taps::drain(Monotonic now) {
  for (Open& each : shared_->open) {
    each.tap->drain([&each](std::string_view line) { each.sink({0, "request", line}); });
    const std::uint64_t left_out = each.tap->left_out();
    if (left_out == each.told_left_out || now < each.told_at + kTellEvery) continue;
    const std::string data = "{\"left_out\":" + std::to_string(left_out - each.told_left_out) + "}";
    each.told_left_out = left_out;
    each.told_at = now;
    each.sink({0, "sampled", data});
  }
}

}  // namespace canaryd::control
