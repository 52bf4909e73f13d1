// A run's evidence made again from its rows, a slice at a time, so that whoever does it need not
// stop for a long run. Private to the room; pure.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/base/error.hpp"
#include "control/evidence.hpp"
#include "control/verdict_record.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace canaryd::control {

class Recomputation {
 public:
  // Up to the row before `rows`. `others`: see read_settings().
  Recomputation(std::string rollout,
                std::uint64_t run,
                std::uint64_t rows,
                const analysis::Settings& others);

  // Rows by index. kMalformed: one is not what Evidence wrote.
  [[nodiscard]] Result<void> feed(std::span<const store::EvidenceRow> slice);
  // Where the next slice begins; nothing when all are here.
  [[nodiscard]] std::optional<std::uint64_t> next() const noexcept;
  // No row was fed.
  [[nodiscard]] bool empty() const noexcept { return next_ == 0; }
  // The first row that is not there. Ask when there is no more to feed.
  [[nodiscard]] std::optional<std::uint64_t> missing() const noexcept;
  // The verdict of then, as `recorded` has it. Only when none is missing.
  [[nodiscard]] VerdictRecord verdict(const VerdictRecord& recorded);

 private:
  [[nodiscard]] Result<void> begin(const store::EvidenceRow& settings);

  std::string rollout_;
  std::uint64_t run_;
  std::uint64_t rows_;
  analysis::Settings others_;
  std::uint64_t next_ = 0;
  std::optional<std::uint64_t> gap_;
  std::optional<Evidence> evidence_;
};

}  // namespace canaryd::control
