// The admin server of a configuration: where it listens, whom it knows, and what it tells the log.
#pragma once

#include "canaryd/admin/server.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/admin.hpp"

#include <functional>

namespace canaryd::daemon {

// `now` gives the configuration in force; it and the log outlive the server.
[[nodiscard]] admin::Options admin_options(const config::Admin& config,
                                           std::function<const config::Admin&()> now,
                                           Log& log);

}  // namespace canaryd::daemon
