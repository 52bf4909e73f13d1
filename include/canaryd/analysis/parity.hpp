// Whether a canary answers reads as stable does: read parity (docs/statistics.md).
//
// Each read has been answered three times: by stable, by stable again a second later, and by the
// canary. Where stable differs from itself (ids, times, anything that it draws or counts) the read
// says nothing of the canary: that is noise. A read is different if the canary's answer differs in
// a field in which stable's agree, unless stable has been seen to change that field at least as
// often as the canary alone did. The first kLearning reads only teach what is noise.
//
// Two accounts bet on the share of different reads, as they do on a limit (limits.hpp):
//
//   shown      bets against "max_diff or more of the reads differ"; it takes 1 / kShownAlpha,
//   different  bets against "at most max_diff differ"; it takes 1 / kDifferentAlpha, each time.
//
// A conclusion stays until there is another one, and the comparison begins anew, so that a canary
// that has been mended is seen to be. The n-th comparison gets 1 / (n (n + 1)) of kShownAlpha: a
// canary that differs in max_diff or more is let through with odds of at most kShownAlpha,
// however long it is compared.
//
// The same field of another path is another field: what is noise in one resource may mean something
// in the next.
//
// Pure; plain values. Limits: kPathsMax paths are told apart, and kFieldsMax fields of them; all
// others are one.
#pragma once

#include "canaryd/analysis/accounts.hpp"
#include "canaryd/analysis/parity_fields.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace canaryd::analysis {

struct ParitySettings {
  double max_diff = 0.005;  // In (0, 1).
  std::uint64_t min_requests = 1000;
  std::vector<std::string> headers;
  IgnoredFields ignored;
};

enum class ParityState : std::uint8_t { kGathering, kShown, kDifferent };
[[nodiscard]] std::string_view to_string(ParityState state) noexcept;

struct ParityTally {
  ParityField field;
  std::uint64_t canary = 0;  // Reads in which only the canary differed there, and lately,
  std::uint64_t stable = 0;  // and in which stable differed from itself.
};

struct ParityFigures {
  std::uint64_t compared = 0;
  std::uint64_t different = 0;
};

struct ParityReport {
  ParityState state = ParityState::kGathering;
  ParityFigures concluded;                      // What the state was concluded from.
  ParityFigures now;                            // Of the comparison under way.
  ParityFigures total;                          // Of all of them.
  double evidence = 0;                          // Towards kShown, 0..1.
  std::optional<std::uint64_t> needs_requests;  // About so many more; empty: no bet gains.
  std::uint64_t learnt_from = 0;
  std::uint64_t not_compared = 0;
  std::vector<ParityTally> fields;  // That count, the most frequent first; at most kTold.
  std::vector<ParityTally> noise;   // The same of those that do not.
};

class Parity {
 public:
  static constexpr double kShownAlpha = 0.05;
  static constexpr double kDifferentAlpha = 0.01;
  static constexpr std::uint64_t kLearning = 50;
  static constexpr std::size_t kPathsMax = 64;
  static constexpr std::size_t kFieldsMax = 1024;
  static constexpr std::size_t kTold = 10;

  explicit Parity(ParitySettings settings);

  void absorb(const stats::ParityRead& read);
  [[nodiscard]] ParityState state() const noexcept { return state_; }
  [[nodiscard]] ParityReport report() const;

 private:
  struct Counts {
    std::uint64_t canary = 0;
    std::uint64_t stable = 0;
    // Of `canary`: in the comparison under way, and in the one before it.
    std::uint64_t now = 0;
    std::uint64_t before = 0;
    // As often as the canary alone, and at all.
    [[nodiscard]] bool excuses() const noexcept { return stable > 0 && stable >= canary; }
  };

  [[nodiscard]] const std::string& known_path(const std::string& path);
  [[nodiscard]] Counts& counts_of(ParityField field, const std::string& path);
  [[nodiscard]] bool take(const Differences& canary,
                          const Differences& noise,
                          const std::string& path);
  void judge(bool different);
  void enter(ParityState state) noexcept;
  void conclude(ParityState state);
  [[nodiscard]] double boundary() const noexcept;

  ParitySettings settings_;
  std::set<std::string> paths_;
  std::map<ParityField, Counts> fields_;
  ParityState state_ = ParityState::kGathering;
  std::uint64_t learnt_ = 0;
  std::uint64_t not_compared_ = 0;
  ParityFigures total_;
  ParityFigures concluded_;
  // The comparison under way.
  double round_ = 1;
  ParityFigures now_;
  AcceptAccount shown_;
  RollbackAccount differs_;
};

}  // namespace canaryd::analysis
