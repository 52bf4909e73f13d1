// Do both versions fail, and much more than stable used to? Then something that they share is
// broken: nobody is to blame, and no step should be taken meanwhile. A rule of thumb, apart from
// the accounts, which cancel out what hits both. The same where stable is so slow that "no slower
// than stable" says nothing any more.
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
    bool stable_slow = false;  // See BlockBuilder::stable_slow().
  };

  void observe(const Window& window) noexcept;
  [[nodiscard]] bool both_failing() const noexcept { return both_failing_; }
  // It is for some seconds, whatever the canary does.
  [[nodiscard]] bool stable_slow() const noexcept { return stable_slow_; }
  [[nodiscard]] bool degraded() const noexcept { return both_failing_ || stable_slow_; }
  // It has not been observed for as long as a window is.
  [[nodiscard]] bool is_new() const noexcept { return observed_ < kWindowSeconds; }

 private:
  static constexpr int kWindowSeconds = 10;

  void observe_slowness(bool stable_slow) noexcept;

  double usual_ = 0;    // Stable's share of failures over about the last half hour.
  double seconds_ = 0;  // With traffic.
  int observed_ = 0;    // Seconds, with traffic or without; no more than of a window.
  bool both_failing_ = false;
  bool stable_slow_ = false;
  int turning_ = 0;  // Seconds in a row that say otherwise.
};

}  // namespace canaryd::analysis
