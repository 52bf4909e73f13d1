// `canaryctl top`: what each route and cohort does now, from two or more looks at /metrics.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/cli/commands.hpp"
#include "canaryd/cli/status_screen.hpp"
#include "cli/daemon.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::cli {

// One route and cohort.
struct TopRow {
  std::string route;
  std::string rollout;  // Empty: none; then there is no cohort either.
  std::string cohort;
  double requests = 0;
  double failures = 0;  // Class 5xx.
  double active = 0;    // Of the rollout and cohort, on all its routes.
};

// The daemon counts up once a second, so a rate is taken over several looks.
class TopRates {
 public:
  static constexpr std::size_t kLooksMax = 6;

  void look(std::string_view metrics, Monotonic at);
  // Busiest first. Rates are "-" after the first look.
  [[nodiscard]] std::string table(const ScreenOptions& options) const;
  [[nodiscard]] std::string json() const;

 private:
  struct Look {
    Monotonic at;
    std::vector<TopRow> rows;
  };
  struct Rate {
    TopRow row;
    std::optional<double> per_second;
    std::optional<double> failed;  // Share, 0..1.
    std::size_t place = 0;         // In the daemon's answer.
  };
  [[nodiscard]] std::vector<Rate> rates() const;

  std::deque<Look> looks_;
};

// On a terminal until the user interrupts; else, and with -o json, the rates of three seconds.
[[nodiscard]] int run_top(const Daemon& daemon,
                          bool as_json,
                          ScreenOptions screen,
                          Environment& environment);

}  // namespace canaryd::cli
