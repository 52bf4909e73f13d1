// Is the canary slower, or does it fail more, than its clients' differences can make it? Where
// clients differ evidence counts for less (client_groups.hpp), and it has to: but the more requests
// there are, the less each counts, and a canary that is slow for everybody would never be told from
// one that has the slow clients. So the versions are also compared as groups of clients: if they
// lie further apart than the groups of each lie among themselves allow, it is not the clients
// (docs/statistics.md, "Clients that differ").
//
// Pure; the variance of a ratio of sums over clusters (Cochran, Sampling Techniques, 1977, 6.3).
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/stats/client_groups.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace canaryd::stats {

// So many standard errors apart, those that stable's clients make likely; of those of the canary's
// own groups, however few, as many as Student's distribution has beyond it once in 1000.
inline constexpr double kBeyondClients = 4.5;
// With fewer groups of the canary the lot has too few ways: of 16 and 3 groups it has 969.
inline constexpr std::size_t kBeyondGroups = 4;

// ClientSpread::effect of such a metric: it is divided by nothing, whatever was known before.
inline constexpr std::uint32_t kNoDivision = 1;

// By metric.
[[nodiscard]] std::array<bool, kClientMetrics> beyond_clients(const ClientGroups& stable,
                                                              const ClientGroups& canary) noexcept;

// What is known of one run's clients: since it began, and of late, because what turns slow late
// must not hide behind a long good past. Thread rule: a plain value.
class ClientWatch {
 public:
  explicit ClientWatch(std::int64_t now_second) noexcept : newer_second_(now_second) {}

  void add(Cohort cohort, const ClientGroups& came) noexcept;
  // client_spread(), with kNoDivision for the metrics whose difference is beyond_clients().
  [[nodiscard]] ClientSpread look(std::int64_t now_second) noexcept;
  // The same of a part of the traffic, a route or a segment, `all` being that of all. Where a
  // single group of either version has come by it nobody can tell the version from that client, so
  // what all differ in counts as well.
  [[nodiscard]] ClientSpread look_at_part(std::int64_t now_second,
                                          const ClientSpread& all) noexcept;
  // As of the last look: with all failures of each client the canary is beyond its clients' errors.
  // Then it is not one of them that repeats itself, and each failure may count.
  [[nodiscard]] bool all_fail_more() const noexcept { return all_fail_more_; }

 private:
  // "Of late" reaches back one to two of these.
  static constexpr std::int64_t kLateSeconds = 30;
  using Both = std::array<ClientGroups, 2>;  // Stable, canary.

  Both all_{};
  Both older_{};  // `all_` as it was when "of late" begins.
  Both newer_{};  // The same at newer_second_; takes its place in turn.
  std::int64_t newer_second_;
  bool all_fail_more_ = false;
};

}  // namespace canaryd::stats
