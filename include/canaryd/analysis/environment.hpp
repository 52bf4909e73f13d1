// Do both versions fail, and much more than stable used to? Then something that they share is
// broken: nobody is to blame, and no step should be taken meanwhile. A rule of thumb, apart from
// the accounts, which cancel out what hits both.
//
// Fed once a second with the last ten; remembers what is usual. A value; pure.
#pragma once

namespace canaryd::analysis {

class Environment {
 public:
  // Of the last ten seconds. Shares of failures, 0 to 1; 0 without requests.
  struct Window {
    double stable_requests = 0;
    double stable_failures = 0;
    double canary_requests = 0;
    double canary_failures = 0;
  };

  void observe(const Window& window) noexcept;
  [[nodiscard]] bool both_failing() const noexcept { return both_failing_; }

 private:
  double usual_ = 0;    // Stable's share of failures over about the last half hour.
  double seconds_ = 0;  // With traffic.
  bool both_failing_ = false;
};

}  // namespace canaryd::analysis
