// The world that a simulated rollout meets: how many requests come, and how many of them fail.
//
// Counts are drawn per second and version, not request by request. Good and bad responses are
// Poisson, so counts vary like real ones; what else goes wrong is described by Traffic. Everything
// follows from the seed. Times are seconds of the rollout; rates and shares are fractions.
//
// Thread rule: Traffic is a plain value; a World belongs to one run.
#pragma once

#include "canaryd/base/random.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/histogram.hpp"
#include "canaryd/stats/log_normal.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace canaryd::simulate {

enum class Scope : std::uint8_t { kBoth, kStable, kCanary };

// While it lasts, this share of the requests fails (unless more fail anyway).
struct Outage {
  std::int64_t begin = 0;
  std::int64_t seconds = 0;
  double error_rate = 0;
  Scope scope = Scope::kBoth;
  friend bool operator==(const Outage&, const Outage&) = default;
};

// Short trouble of one version at a time, at random; both have it as often.
struct Bursts {
  double per_hour = 0;
  std::int64_t seconds = 0;
  double error_rate = 0;
  friend bool operator==(const Bursts&, const Bursts&) = default;
};

// At first the canary's responses take so many times as long.
struct ColdStart {
  std::int64_t seconds = 0;
  double stretch = 1;  // Above 0.
  friend bool operator==(const ColdStart&, const ColdStart&) = default;
};

// One of several routes, on which the canary fails more than elsewhere. Stable does not.
struct BrokenRoute {
  std::uint32_t route = 0;  // Index in analysis::Settings::routes, which has at least two.
  double share = 0;         // Of the requests of both versions; above 0 and below 1.
  double canary_error_rate = 0;
  friend bool operator==(const BrokenRoute&, const BrokenRoute&) = default;
};

struct Traffic {
  double requests_per_second = 100;  // Above 0; the average of the day.
  double stable_error_rate = 0.01;
  double canary_error_rate = 0.01;
  stats::LogNormal stable_latency;
  stats::LogNormal canary_latency;
  ColdStart cold_start;
  double diurnal = 0;  // 0 to 1: by how much the load swings in 24 hours, from its average upwards.
  std::vector<Outage> outages;
  Bursts bursts;
  // Failures come from users who fail so many times on average, a second apart. 1: each is another
  // user. Whether the repetitions count is a matter of dedupe_window.
  double failures_per_user = 1;
  // So many users, whose requests are shared out by Zipf's law; 0: so many that each is nothing.
  // Few users make the canary's share another one than its weight.
  std::uint32_t users = 0;
  std::optional<BrokenRoute> broken_route;
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

inline constexpr std::uint32_t kMostUsers = 100'000;

// Which share of the requests the users with the smallest buckets send.
class Crowd {
 public:
  Crowd() = default;  // Infinitely many.
  Crowd(std::uint32_t users, Random& random);
  [[nodiscard]] double share(double weight) const noexcept;
  // How many of the users those are, of all (0 to 1).
  [[nodiscard]] double users_below(double weight) const noexcept;

 private:
  struct Place {
    double bucket = 0;  // The user is a canary's from this weight on.
    double share = 0;   // Of all users up to this one.
  };
  [[nodiscard]] std::size_t count_below(double weight) const noexcept;
  std::vector<Place> places_;
};

struct CohortSecond {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  std::uint64_t repeated = 0;  // Of the failures: the user failed within the last second too.
};

struct Second {
  CohortSecond stable;
  CohortSecond canary;
  // Of these, what came by the broken route. Its users fail once.
  CohortSecond stable_by_route;
  CohortSecond canary_by_route;
};

// Latencies of one version, drawn as a histogram at once: few of them one by one, each by one look
// into a table (Walker 1974, "New fast method for generating discrete random numbers"); many bucket
// by bucket.
class LatencyDraw {
 public:
  explicit LatencyDraw(const stats::LogNormal& latency);

  void add(Random& random, std::uint64_t count, stats::Histogram& to) const;

 private:
  struct Bucket {
    std::size_t index = 0;
    double share = 0;
  };
  // Where a number finds its latency: the first bucket below `kept`, the second from there on.
  struct Column {
    std::uint32_t kept = 0;
    std::array<std::uint16_t, 2> indices{};
  };
  void make_columns();
  [[nodiscard]] std::size_t bucket_at(std::uint32_t number) const noexcept;
  void add_singly(Random& random, std::uint64_t count, stats::Histogram& to) const;
  void add_together(Random& random, std::uint64_t count, stats::Histogram& to) const;

  std::vector<Bucket> buckets_;  // Those that are not practically empty.
  std::vector<Column> columns_;  // As many.
};

class World {
 public:
  World(const Traffic& traffic, Random& random);

  // What comes in this second at this weight (0 to 1). Seconds in order.
  [[nodiscard]] Second next(std::int64_t second, double weight);
  // The odds that a request to this version fails now.
  [[nodiscard]] double error_rate(Cohort cohort, std::int64_t second) const noexcept;
  // So many of the canary's requests of this second that went to stable after all, as it answered
  // them.
  [[nodiscard]] CohortSecond divert(std::uint64_t requests, std::int64_t second);
  // The share of all users who are the canary's at this weight.
  [[nodiscard]] double users_below(double weight) const noexcept {
    return crowd_.users_below(weight);
  }
  // The latencies of so many responses that did not fail.
  void add_latencies(Cohort cohort, std::int64_t second, std::uint64_t count, stats::Histogram& to);

 private:
  [[nodiscard]] CohortSecond draw(Cohort cohort, double mean, double error_rate);
  void begin_bursts(std::int64_t second);
  void draw_route(const BrokenRoute& route, double canary_mean, Second& second);

  const Traffic& traffic_;
  Random& random_;
  Crowd crowd_;
  LatencyDraw stable_latency_;
  LatencyDraw canary_latency_;
  LatencyDraw cold_latency_;
  std::array<std::int64_t, 2> burst_ends_{};      // By cohort.
  std::array<std::uint64_t, 2> failing_users_{};  // By cohort; they fail again in the next second.
};

}  // namespace canaryd::simulate
