#include "canaryd/rollout/event.hpp"

#include <array>

namespace canaryd::rollout {
namespace {

// In the order of Event::What.
constexpr std::array<std::string_view, std::variant_size_v<Event::What>> kNames{"start",
                                                                                "retry",
                                                                                "promote",
                                                                                "pause",
                                                                                "resume",
                                                                                "abort",
                                                                                "rollback",
                                                                                "set_weight",
                                                                                "approve",
                                                                                "retire",
                                                                                "unretire",
                                                                                "tick",
                                                                                "circuit_opened",
                                                                                "circuit_closed",
                                                                                "protection_failed",
                                                                                "hook_ended",
                                                                                "new_plan",
                                                                                "restart"};
constexpr std::size_t kCommands = 11;
static_assert(std::is_same_v<std::variant_alternative_t<kCommands, Event::What>, Tick>);

}  // namespace

std::string_view to_string(Trip trip) noexcept {
  switch (trip) {
    case Trip::kCircuit:
      return "circuit";
    case Trip::kUnhealthy:
      return "unhealthy";
    case Trip::kExposure:
      return "exposure";
  }
  return "circuit";
}

std::string_view name_of(const Event& event) noexcept {
  return kNames[event.what.index()];
}

bool is_command(const Event& event) noexcept {
  return event.what.index() < kCommands;
}

}  // namespace canaryd::rollout
