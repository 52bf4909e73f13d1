// The two forms of an access log line. Private to the room.
#pragma once

#include "canaryd/telemetry/access_record.hpp"

#include <cstddef>
#include <string_view>

namespace canaryd::telemetry {

// What the record says only in the time of its worker.
struct LineTimes {
  std::string_view started;      // As the format wants it.
  std::int64_t ended_at_us = 0;  // Unix time.
};

// Each writes one line with its newline, at most AccessLog::kLineBytesMax bytes, and returns its
// end. `started` is "2026-01-05T10:02:00.123Z" for JSON, "05/Jan/2026:10:02:00 +0000" for the
// other.
[[nodiscard]] char* write_json_line(char* to,
                                    const AccessRecord& record,
                                    const LineTimes& times) noexcept;
[[nodiscard]] char* write_combined_line(char* to,
                                        const AccessRecord& record,
                                        const LineTimes& times) noexcept;

}  // namespace canaryd::telemetry
