// What a watch wants of the process: that an interrupt is waited for, and that the terminal does
// not show what is typed.
//
// Process-wide, as signals are. Thread rule: main's thread.
#pragma once

#include "canaryd/base/clock.hpp"

namespace canaryd::cli {

// False when the user has interrupted (SIGINT, SIGTERM), then at once. From the first call on the
// first interrupt does not end the process; the second one does.
[[nodiscard]] bool wait_unless_interrupted(Duration duration);

// Whether the terminal of the standard output shows what is typed. What was hidden is shown again
// before a signal ends or stops the process, but for SIGKILL and SIGSTOP. In the background the
// terminal is somebody else's, and stays as it is.
void show_typing(bool shown);

}  // namespace canaryd::cli
