// The OpenAPI 3.1 description of the admin API (GET /api/v1/openapi.json).
//
// Paths, methods and roles come from the one table of routes (Api::operations); what is said of
// each is below. A route without words is a failed test, and so is one whose answers have another
// shape.
#pragma once

#include <string>
#include <string_view>

namespace canaryd::admin {

// One JSON object. Made once, then copied.
[[nodiscard]] std::string openapi_text();

// openapi_schemas.cpp: the member "components", as JSON.
[[nodiscard]] std::string_view openapi_components() noexcept;

}  // namespace canaryd::admin
