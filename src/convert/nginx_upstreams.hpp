// upstream NAME { server ...; } of nginx.
#pragma once

#include "convert/nginx_blocks.hpp"

#include <map>
#include <string>

namespace canaryd::convert {

// As in the file, to our name.
using UpstreamNames = std::map<std::string, std::string>;

void read_nginx_upstream(Draft& draft, const Directive& block, UpstreamNames& names);

// "NAME is not carried over", and why, if there is a reason to tell.
void warn_of_directive(Draft& draft, const Directive& directive, const std::string& why = {});

}  // namespace canaryd::convert
