// The sockets of a worker that nobody needs now. When no more can be had, the one that has been
// idle for longest makes way: what is under way comes before what may be of use later.
//
// Thread rule: one worker. Cost: close_oldest() looks at every holder.
#pragma once

#include "canaryd/base/clock.hpp"

#include <algorithm>
#include <vector>

namespace canaryd::net {

// Who has some of them, such as a pool of connections.
class IdleHolder {
 public:
  // Since when its oldest one has been idle; the end of time: it has none.
  [[nodiscard]] virtual Monotonic oldest_idle() const noexcept = 0;
  virtual void close_oldest_idle() = 0;

 protected:
  ~IdleHolder() = default;
};

class IdleSockets {
 public:
  void add(IdleHolder& holder) { holders_.push_back(&holder); }
  void remove(IdleHolder& holder) noexcept { std::erase(holders_, &holder); }

  // False: there is none.
  bool close_oldest() {
    IdleHolder* oldest = nullptr;
    Monotonic since = Monotonic::max();
    for (IdleHolder* const each : holders_) {
      const Monotonic its = each->oldest_idle();
      if (its >= since) continue;
      since = its;
      oldest = each;
    }
    if (oldest == nullptr) return false;
    oldest->close_oldest_idle();
    return true;
  }

 private:
  std::vector<IdleHolder*> holders_;
};

}  // namespace canaryd::net
