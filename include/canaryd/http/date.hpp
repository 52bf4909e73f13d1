// The date of HTTP fields (RFC 9110 section 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". Pure; any
// thread.
#pragma once

#include "canaryd/base/clock.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace canaryd::http {

inline constexpr std::size_t kDateBytes = 29;

// Written into the storage; parts of a second are cut off. Years 0 to 9999.
std::string_view write_date(WallTime time, std::span<char, kDateBytes + 1> storage) noexcept;

}  // namespace canaryd::http
