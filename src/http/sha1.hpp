// SHA-1 (RFC 3174), for the one thing that still wants it: the handshake of WebSocket, where it
// protects nothing. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace canaryd::http::detail {

using Sha1 = std::array<std::uint8_t, 20>;

[[nodiscard]] Sha1 sha1(std::string_view text) noexcept;

}  // namespace canaryd::http::detail
