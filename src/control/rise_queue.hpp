// Rises of several rollouts share a table: while the workers take over one, those that have become
// durable meanwhile wait for the next. So a thousand rollouts that start at once need a handful of
// tables and not a thousand, and one rollout alone waits for nobody. Falls never wait here.
//
// Thread rule: the control thread.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace canaryd::control {

struct Rise {
  std::function<void()> commit;          // Before the table is made: it is in it.
  std::function<void()> begin_evidence;  // After; what the old table gathered has been absorbed.
  std::function<void()> arrived;         // After that, once every worker uses the table.
};

class RiseQueue : public std::enable_shared_from_this<RiseQueue> {
 public:
  // As RunnerHost::publish.
  using Publish = std::function<void(std::function<void()> done)>;
  explicit RiseQueue(Publish publish) : publish_(std::move(publish)) {}

  void add(Rise rise) {
    waiting_.push_back(std::move(rise));
    if (!under_way_) publish_all();
  }

 private:
  void publish_all();

  Publish publish_;
  std::vector<Rise> waiting_;
  bool under_way_ = false;
};

}  // namespace canaryd::control
