// The files that a configuration names, read through a function that the caller passes in: their
// endpoints become part of it, and what is wrong with them is wrong with it. Pure.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/config/load.hpp"

#include <functional>
#include <string>

namespace canaryd::config {

// By name as written in the configuration, which is relative to its folder. The error's context
// says why it cannot be read, without the name.
using ReadNamedFile = std::function<Result<std::string>(const std::string& name)>;

// Afterwards `loaded` has a config only if nothing is wrong with these files either. Does nothing
// without one.
void read_named_files(LoadResult& loaded, const ReadNamedFile& read);

}  // namespace canaryd::config
