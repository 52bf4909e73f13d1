// Media types in the headers of a request (RFC 9110, sections 8.3 and 12.5.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace canaryd::admin {

// Whether Content-Type is there and says `type`, whatever its parameters.
[[nodiscard]] bool is_type(const std::optional<std::string>& content_type, std::string_view type);

// Whether one of the ranges of Accept has `type`. Of weights only 0 counts: there is one answer.
[[nodiscard]] bool accepts(std::string_view accept, std::string_view type);

}  // namespace canaryd::admin
