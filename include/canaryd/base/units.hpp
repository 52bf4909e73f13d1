// Values with units, as people write them in the configuration and read them in messages.
//
// Accepted: durations "250ms 30s 10m 6h 2d" and sums of them in falling order ("1h30m"); sizes
// "100B 64KiB 10MiB 2GiB" and plain byte counts; percent "0..100" with at most two decimals, kept
// as basis points. Anything else is an error that says what is expected; no value is ever rounded
// silently. Pure; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/strong.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace canaryd {

// Whole milliseconds, 0 to 10,000 days.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
// The shortest exact form of whole milliseconds: "1h30m", "250ms", "0s".
[[nodiscard]] std::string format_duration(Duration duration);
// For people: at most two units, rounded down: "3m10s", "2d4h", "6.1s" below ten seconds.
[[nodiscard]] std::string format_duration_brief(Duration duration);

[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
// The largest unit that divides the value: "64KiB", "1000B".
[[nodiscard]] std::string format_size(std::uint64_t bytes);

[[nodiscard]] Result<BasisPoints> parse_percent(std::string_view text);
// Without trailing zeros: "5", "0.25".
[[nodiscard]] std::string format_percent(BasisPoints weight);

// RFC 3339, UTC, milliseconds only where they are not zero: "2026-01-05T10:02:00Z".
[[nodiscard]] std::string format_time(WallTime time);
[[nodiscard]] Result<WallTime> parse_time(std::string_view text);

}  // namespace canaryd
