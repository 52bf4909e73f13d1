// A verdict of the past, made again from the journal's rows of evidence (docs/statistics.md, "After
// a restart"). Plain values.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::control {

struct VerifyQuery {
  std::string rollout;
  std::optional<std::uint64_t> at;  // Id of a row of the history; else the newest with figures.
};

enum class VerifyResult : std::uint8_t {
  kSame,           // Bit for bit.
  kDifferent,      // The rows come to other figures: they, or the journal, were changed.
  kDamaged,        // A row was changed or is missing.
  kNotVerifiable,  // Nothing to compare: an older version wrote it, or its rows are gone.
};
// "same", "different", "damaged", "not_verifiable".
[[nodiscard]] constexpr std::string_view to_string(VerifyResult result) noexcept {
  switch (result) {
    case VerifyResult::kSame:
      return "same";
    case VerifyResult::kDifferent:
      return "different";
    case VerifyResult::kDamaged:
      return "damaged";
    case VerifyResult::kNotVerifiable:
      break;
  }
  return "not_verifiable";
}

// Natural logarithms of capitals, and counts; both as hexadecimal floating point, which is exact.
struct VerifiedFigure {
  std::string name;  // "all", "errors/rollback", "errors/canary_bad".
  std::string recorded;
  std::string recomputed;
  double value = 0;  // Of recomputed.
};

struct VerificationView {
  std::uint64_t id = 0;
  WallTime time{};
  std::string message;  // Of the transition.
  VerifyResult result = VerifyResult::kNotVerifiable;
  std::string why;  // A sentence.
  std::string decision;
  std::uint64_t run = 0;
  std::uint64_t rows = 0;  // That the verdict is made of.
  std::vector<VerifiedFigure> figures;
};
using VerifyDone = std::function<void(Result<VerificationView>)>;

}  // namespace canaryd::control
