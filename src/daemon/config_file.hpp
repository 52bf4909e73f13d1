// Reads the configuration, and the files that it names, from disk.
//
// Thread rule: any; blocks for as long as the disk takes.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/config/load.hpp"
#include "daemon/options.hpp"

#include <string>

namespace canaryd::daemon {

// Little more than the configuration may have at most, so that whoever parses it says that it is
// too large. The error's context says why it cannot be read, without the path.
[[nodiscard]] Result<std::string> read_file(const std::string& path);
// The same, for the control thread of a running daemon: nothing that one could wait for.
[[nodiscard]] Result<std::string> read_regular_file(const std::string& path);

// A name in the configuration is relative to the folder of its file.
[[nodiscard]] std::string beside(const std::string& config_file, const std::string& name);

// The text as the configuration of this command line; `name` is that of the file. The endpoints of
// `{file: ...}` are read as well, and what is wrong with those files is wrong with it.
[[nodiscard]] config::LoadResult load_text(const CommandLine& line,
                                           const std::string& name,
                                           std::string text);
[[nodiscard]] config::LoadResult load_file(const CommandLine& line);
// The rollout of that name, or the only one if there is no name. The error's context says which
// there are.
[[nodiscard]] Result<const config::Rollout*> find_rollout(const config::Config& config,
                                                          const std::string& name,
                                                          const std::string& file);
// load_file() once more, on the control thread of a running daemon: a pipe that was the
// configuration, or has taken its place, is a problem and not waited for.
[[nodiscard]] config::LoadResult reload_file(const CommandLine& line);

}  // namespace canaryd::daemon
