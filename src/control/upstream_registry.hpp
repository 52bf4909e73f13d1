// What control keeps of the upstreams in force: the counters of their workers and the state of each
// endpoint. Both outlive tables and reloads for as long as upstream and endpoint stay in the
// configuration.
//
// Thread rule: the control thread; what it hands out is shared with the workers.
#pragma once

#include "canaryd/upstream/share.hpp"
#include "canaryd/upstream/spec.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::control {

struct EndpointEntry {
  std::shared_ptr<upstream::EndpointState> state;
  std::vector<std::shared_ptr<upstream::EndpointCounters>> counters;  // One a worker.
  bool seen_ejected = false;  // When ejection_changes() looked last.

  // Of all workers.
  [[nodiscard]] std::uint64_t active_requests() const noexcept;
};

// The endpoints of an upstream by what active checks know of them.
struct UpstreamHealth {
  std::size_t endpoints = 0;
  std::size_t usable = 0;  // Not unhealthy.
  std::size_t proven = 0;  // Found healthy; without checks, all of them.
  bool known = true;       // Nothing is waited for.

  [[nodiscard]] bool up() const noexcept { return usable > 0; }
};

struct EjectionChange {
  std::string upstream;
  SocketAddress endpoint;
  bool ejected = false;  // Now.
};

struct UpstreamEntry {
  std::vector<std::shared_ptr<upstream::UpstreamCounters>> counters;  // One a worker.
  std::vector<EndpointEntry> endpoints;                               // In the order of the spec.
  std::shared_ptr<upstream::UpstreamState> state;
  std::shared_ptr<upstream::ConcurrencyLimit> limit;  // Null: none so far. Lifted: none now.
  bool checked = false;  // Its endpoints are asked whether they are well.

  [[nodiscard]] bool has(const upstream::EndpointState& endpoint) const noexcept;
};

class UpstreamRegistry {
 public:
  explicit UpstreamRegistry(std::size_t workers) noexcept : workers_(workers) {}

  // From now on these are the upstreams: what is new gets fresh counters and states, what is gone
  // is forgotten.
  void update(const std::vector<upstream::UpstreamSpec>& specs);
  // What a worker gets of one that update() has seen.
  [[nodiscard]] upstream::UpstreamShare share(const upstream::UpstreamSpec& spec,
                                              std::size_t worker) const;
  // Null: there is none of this name.
  [[nodiscard]] const UpstreamEntry* find(std::string_view name) const noexcept;
  // Of no such upstream: no endpoint.
  [[nodiscard]] UpstreamHealth health(std::string_view name) const noexcept;
  // Who is out, or in use again, that was not so at the last call. One that came and went in
  // between is not seen.
  [[nodiscard]] std::vector<EjectionChange> ejection_changes(Monotonic now);

 private:
  [[nodiscard]] std::shared_ptr<upstream::ConcurrencyLimit> keep_limit(
      const upstream::UpstreamSpec& spec, std::shared_ptr<upstream::ConcurrencyLimit> old) const;
  [[nodiscard]] EndpointEntry make_endpoint(const upstream::EndpointSpec& spec) const;

  std::size_t workers_;
  std::map<std::string, UpstreamEntry, std::less<>> upstreams_;
};

}  // namespace canaryd::control
