// A data plane that only remembers: two workers that do nothing but hold what they were given.
#pragma once

#include "canaryd/control/data_plane.hpp"
#include "support/control_loop.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::test {

class FakePlane final : public control::DataPlane {
 public:
  explicit FakePlane(ControlLoop& loop);

  [[nodiscard]] std::size_t workers() const override;
  void publish(std::vector<proxy::WorkerSnapshot> snapshots, std::function<void()> done) override;
  void open(std::shared_ptr<const proxy::ListenerSpec> spec,
            std::function<void(Result<SocketAddress>)> done) override;
  void update(std::shared_ptr<const proxy::ListenerSpec> spec) override;
  void close(const std::string& name, const SocketAddress& configured) override;
  [[nodiscard]] std::vector<control::ListenerStatus> listeners() const override;
  void count_overdue() override;
  void measure_lag() override;
  [[nodiscard]] stats::DurationReading lag() const override;
  void tap(std::shared_ptr<const telemetry::TapList> list) override;

  // Requests that both workers have finished, half of them each.
  void serve(Cohort cohort,
             int count,
             int bad,
             Duration latency = kUsualLatency,
             RouteId route = RouteId(0));
  void serve_excluded(Cohort cohort, int count);

  std::vector<std::string> did;
  std::set<std::string> taken;                        // Listeners whose address is in use.
  std::map<std::string, std::vector<double>> served;  // Canary to the weights published for it.
  std::vector<proxy::WorkerSnapshot> held;
  std::shared_ptr<const telemetry::TapList> taps;
  int overdue_counts = 0;
  int lag_questions = 0;
  stats::DurationReading waited;

 private:
  static constexpr Duration kUsualLatency = std::chrono::milliseconds(5);

  void finish(
      RouteId route, Cohort cohort, int number, stats::Judgement judgement, Duration latency);

  ControlLoop& loop_;
  std::vector<control::ListenerStatus> open_;
};

}  // namespace canaryd::test
