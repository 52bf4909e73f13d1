// A session again and again, its first operation failing, then its second, and so on to its last.
#pragma once

#include "support/sim.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace canaryd::test {

// `run` is one session; it sets `reached` if it came to the operation that fails. Returns the
// number of the first one that none came to; ends early when the test has failed.
inline std::uint64_t fail_every_operation(
    SimFault fault, void (*run)(std::uint64_t operation, SimFault fault, bool& reached)) {
  constexpr std::uint64_t kMost = 10'000;  // A session that never ends.
  std::uint64_t operation = 0;
  bool reached = true;
  while (reached && operation < kMost && !testing::Test::HasFailure()) {
    ++operation;
    SCOPED_TRACE("operation " + std::to_string(operation));
    run(operation, fault, reached);
  }
  EXPECT_LT(operation, kMost);
  return operation;
}

}  // namespace canaryd::test
