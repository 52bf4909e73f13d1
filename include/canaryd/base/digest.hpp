// Digests that protocols ask for, by OpenSSL. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace canaryd {

// The 28 characters of base64 (RFC 4648) of the SHA-1 of a text: what the handshake of WebSocket
// answers with (RFC 6455 section 4.2.2). It protects nothing there, and must not elsewhere. Empty
// if the library is set up without SHA-1.
[[nodiscard]] std::optional<std::string> sha1_base64(std::string_view text);

}  // namespace canaryd
