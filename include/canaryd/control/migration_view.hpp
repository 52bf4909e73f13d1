// How far traffic has moved away from the upstreams that are to be left (docs/interfaces.md section
// 3.3). Plain values; part of backend.hpp.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/path_sketch.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::control {

// Since the daemon started. A request belongs to the version it was first given to.
struct MigrationRequests {
  std::uint64_t left = 0;      // Of an upstream that is to be left.
  std::uint64_t moved = 0;     // Of any other.
  std::uint64_t answered = 0;  // By canaryd itself.

  // Of those that went to an upstream; nothing without any.
  [[nodiscard]] std::optional<double> share() const noexcept {
    const std::uint64_t all = left + moved;
    if (all == 0) return std::nullopt;
    return static_cast<double>(moved) / static_cast<double>(all);
  }
  void add(const MigrationRequests& other) noexcept {
    left += other.left;
    moved += other.moved;
    answered += other.answered;
  }
};

enum class MigrationState : std::uint8_t { kLeft, kMoving, kMoved, kAnswered, kCount };

[[nodiscard]] constexpr std::string_view to_string(MigrationState state) noexcept {
  switch (state) {
    case MigrationState::kLeft:
      return "left";
    case MigrationState::kMoving:
      return "moving";
    case MigrationState::kMoved:
      return "moved";
    case MigrationState::kAnswered:
      return "answered";
    case MigrationState::kCount:
      break;
  }
  return "";
}

struct MigrationRoute {
  std::string name;
  std::string match;                 // As in RouteView.
  std::string rollout;               // This, `from` and `to` are empty where there is none.
  std::vector<std::string> split{};  // In place of `rollout`, where a route has several.
  std::string from;                  // Upstreams that are to be left.
  std::string to;                    // Of the first lane, where there are several.
  MigrationState state = MigrationState::kLeft;
  BasisPoints weight;  // Of `to`, now.
  MigrationRequests requests;
  std::optional<WallTime> sunset;
};

struct MigrationView {
  std::vector<std::string> from;
  std::vector<MigrationRoute> routes;  // In the order of the file.
  MigrationRequests requests;          // Of these routes.
  std::uint64_t no_route = 0;          // Requests that none took.
  // The most frequent of those that no route names; nothing: they are not counted.
  std::optional<std::vector<stats::PathCount>> paths;

  [[nodiscard]] std::size_t count(MigrationState state) const noexcept {
    std::size_t sum = 0;
    for (const MigrationRoute& route : routes) sum += route.state == state ? 1 : 0;
    return sum;
  }
};

}  // namespace canaryd::control
