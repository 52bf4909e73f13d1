// One type per meaning, so that a route's number cannot be passed where an upstream's is wanted.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace canaryd {

// Index into a table of things of one kind; valid only with the table it was made for.
template <class Tag>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(std::uint32_t value) : value_(value) {}
  [[nodiscard]] constexpr std::uint32_t value() const noexcept { return value_; }
  [[nodiscard]] constexpr std::size_t index() const noexcept { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  std::uint32_t value_ = 0;
};

using RouteId = StrongId<struct RouteTag>;
using UpstreamId = StrongId<struct UpstreamTag>;
using RolloutId = StrongId<struct RolloutTag>;
using ListenerId = StrongId<struct ListenerTag>;

// A weight or a share: 0 to 10,000, a hundredth of a percent each.
class BasisPoints {
 public:
  static constexpr std::uint16_t kMax = 10000;
  constexpr BasisPoints() = default;
  // Values above kMax are clamped; whoever reads untrusted input checks the range first.
  constexpr explicit BasisPoints(unsigned value)
      : value_(static_cast<std::uint16_t>(value > kMax ? kMax : value)) {}
  [[nodiscard]] constexpr std::uint16_t value() const noexcept { return value_; }
  [[nodiscard]] constexpr double percent() const noexcept { return value_ / 100.0; }
  [[nodiscard]] constexpr double ratio() const noexcept { return value_ / 10000.0; }
  friend constexpr auto operator<=>(BasisPoints, BasisPoints) = default;

 private:
  std::uint16_t value_ = 0;
};

// The two versions of a rollout; kNone for a route that has no rollout. kShadow: copies of requests
// for the route's mirror, whose answers nobody gets.
enum class Cohort : std::uint8_t { kStable = 0, kCanary = 1, kNone = 2, kShadow = 3 };
inline constexpr std::size_t kCohortCount = 4;

// One of the two that are compared.
[[nodiscard]] constexpr bool is_version(Cohort cohort) noexcept {
  return cohort == Cohort::kStable || cohort == Cohort::kCanary;
}

[[nodiscard]] constexpr const char* to_string(Cohort cohort) noexcept {
  switch (cohort) {
    case Cohort::kStable:
      return "stable";
    case Cohort::kCanary:
      return "canary";
    case Cohort::kNone:
      return "none";
    case Cohort::kShadow:
      return "shadow";
  }
  return "none";
}

}  // namespace canaryd

template <class Tag>
struct std::hash<canaryd::StrongId<Tag>> {
  std::size_t operator()(canaryd::StrongId<Tag> id) const noexcept { return id.value(); }
};
