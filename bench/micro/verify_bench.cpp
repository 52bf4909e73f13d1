// What verifying a long run costs the control thread: its rows are made again slice by slice, with
// everything else in between.
//
//   verify_bench [rows=100000]
//
// Prints milliseconds of CPU time altogether, and of the longest slice, which is how long the
// control thread is held up. Reading the rows is the store's thread's. Run it optimised.
#include "canaryd/base/random.hpp"
#include "control/recompute.hpp"
#include "control/verification.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <span>

namespace {

using namespace canaryd;  // NOLINT(google-build-using-namespace): a program, not a header.

stats::Block a_second(Random& random, std::int64_t second) {
  stats::Block block;
  block.start_second = second;
  block.seconds = 1;
  block.stable = {450, random.below(9)};
  block.canary = {50, random.below(2)};
  block.latency.stable_n = 445;
  block.latency.canary_n = 49;
  std::uint16_t threshold = 100;
  for (stats::SlowCounts& slow : block.latency.slow) {
    slow = {threshold,
            static_cast<std::uint16_t>(threshold + 2),
            static_cast<std::uint16_t>(threshold + 4),
            random.below(5),
            random.below(2),
            0};
    threshold = static_cast<std::uint16_t>(threshold + 20);
  }
  return block;
}

// A tick of the clock is a microsecond (POSIX).
double milliseconds_since(std::clock_t begin) {
  return static_cast<double>(std::clock() - begin) / 1000;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t wanted =
      argc > 1 ? static_cast<std::size_t>(std::strtoul(argv[1], nullptr, 10)) : 100'000;
  Random random(1);
  analysis::Settings settings;
  settings.false_rollback = 1e-9;  // So that it does not end.
  control::Evidence evidence("bench", 1, settings);
  evidence.begin_step(BasisPoints(1000), BasisPoints(5000), true);
  while (evidence.next_index() < wanted) {
    evidence.absorb(a_second(random, static_cast<std::int64_t>(evidence.next_index())));
  }
  const control::VerdictRecord recorded = control::record_of("", evidence);
  const std::vector<store::EvidenceRow> rows = evidence.take_pending();

  control::Recomputation again("bench", 1, recorded.rows, settings);
  double longest = 0;
  const std::clock_t begin = std::clock();
  for (std::size_t from = 0; from < rows.size(); from += control::Verification::kSliceRows) {
    const std::size_t count = std::min(rows.size() - from, control::Verification::kSliceRows);
    const std::clock_t slice = std::clock();
    if (!again.feed(std::span(rows).subspan(from, count))) return EXIT_FAILURE;
    longest = std::max(longest, milliseconds_since(slice));
  }
  const bool same = !again.missing() &&
                    control::serialise(again.verdict(recorded)) == control::serialise(recorded);
  std::printf("%zu rows: %.0f ms, the longest slice of %zu %.1f ms, %s\n",
              rows.size(),
              milliseconds_since(begin),
              control::Verification::kSliceRows,
              longest,
              same ? "the same bit for bit" : "NOT the same");
  return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
