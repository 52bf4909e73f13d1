// What routes do beside sending requests on, as the data plane has it. Private to control.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/proxy/route_rules.hpp"

namespace canaryd::control {

// Empty when no route has any. The configuration has been validated; a rewrite that is none all the
// same is refused.
[[nodiscard]] Result<proxy::RouteRulesList> make_route_rules(const config::Config& config);

// Whether requests are counted by path, and that a route takes every path: then its are.
[[nodiscard]] bool watches_paths(const config::Config& config) noexcept;
[[nodiscard]] bool names_no_path(const config::Route& route) noexcept;

}  // namespace canaryd::control
