// Variables that are meant for this process alone.
#pragma once

#include <cstdlib>
#include <string>

namespace canaryd::daemon {

// Its value, empty without one; it is gone then, so that no hook takes it for its own. Before there
// are other threads.
inline std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): no other thread.
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): the same.
  return text;
}

}  // namespace canaryd::daemon
