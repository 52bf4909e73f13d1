// `canaryd verify`: the history of a daemon that is down.
#pragma once

#include "daemon/options.hpp"

namespace canaryd::daemon {

// kExitDone: whole. kExitFailed: broken, or it cannot be read.
[[nodiscard]] int verify_history(const VerifyOptions& options, bool json);

}  // namespace canaryd::daemon
