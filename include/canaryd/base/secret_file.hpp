// Files that hold secrets of people who may raise a canary.
#pragma once

#include <filesystem>

namespace canaryd {

// Not for everybody on this host to read, nor for a group to replace. A group may read, as the
// secrets of Kubernetes need that.
[[nodiscard]] inline bool is_too_open(std::filesystem::perms mode) noexcept {
  using std::filesystem::perms;
  return (mode & (perms::others_all | perms::group_write)) != perms::none;
}

inline constexpr const char* kTooOpen =
    "its mode is too open: chmod 600, or 640 with a group of the daemon's";

}  // namespace canaryd
