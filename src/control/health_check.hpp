// Active health checks: each endpoint of an upstream with `health_check` is asked in turn, and what
// comes of it is written into its state, which the workers read with each request.
//
// An endpoint is in use until `unhealthy` checks in a row have failed, and is again after `healthy`
// ones that went well. Questions begin at a fixed pace, whenever the answer to the last one came,
// so an endpoint that dies is out within unhealthy x interval + timeout. When they begin is drawn
// by chance, so that not all endpoints are asked in the same moment.
//
// Thread rule: the control thread. Limit: one question at a time for each endpoint.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/control/health_io.hpp"
#include "canaryd/upstream/share.hpp"
#include "control/upstream_registry.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::control {

// What a row of answers makes of an endpoint. Pure.
class HealthRow {
 public:
  [[nodiscard]] upstream::Health next(upstream::Health now,
                                      bool good,
                                      const config::HealthCheck& rule) noexcept;

 private:
  std::uint32_t good_ = 0;  // In a row.
  std::uint32_t bad_ = 0;
};

class HealthChecks {
 public:
  // Without io nothing is checked. `changed`: an endpoint was found well, or not, that was not so
  // before.
  HealthChecks(HealthIo* io, Log& log, const Clock& clock, std::function<void()> changed);
  ~HealthChecks();

  // From now on these are checked. Endpoints that were go on where they were.
  void update(const std::vector<config::Upstream>& upstreams, const UpstreamRegistry& registry);

 private:
  struct Check;
  using CheckPointer = std::shared_ptr<Check>;

  [[nodiscard]] CheckPointer take(const EndpointEntry& endpoint);
  void forget(const Check& check, const UpstreamRegistry& registry);
  void begin(const CheckPointer& check);
  void ask_after(const CheckPointer& check, Duration wait);
  void ask(const CheckPointer& check);
  void answered(Check& check, const HealthAnswer& answer);
  void tell(const Check& check, upstream::Health before, const std::string& why) const;

  HealthIo* io_;
  Log& log_;
  const Clock& clock_;
  std::function<void()> changed_;
  Random random_;
  std::vector<CheckPointer> checks_;
};

}  // namespace canaryd::control
