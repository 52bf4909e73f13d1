// The file that an upstream's endpoints may come from (`endpoints: {file: PATH}`):
//
//   endpoints: [127.0.0.1:9001, {address: 127.0.0.1:9002, weight: 10}]
//
// Read as strictly as the configuration, but without variables. Pure; whoever reads the file sits
// above. Untrusted input within the limits of load.hpp.
#pragma once

#include "canaryd/config/config.hpp"
#include "canaryd/config/problem.hpp"

#include <optional>
#include <string>
#include <vector>

namespace canaryd::config {

struct EndpointsResult {
  std::optional<std::vector<Endpoint>> endpoints;  // Set when no problem is an error; not empty.
  std::vector<Problem> problems;
};

// No endpoint may be one of these listeners, or the admin API. `file_name` is for messages only.
[[nodiscard]] EndpointsResult load_endpoints(const std::string& file_name,
                                             const std::string& text,
                                             const std::vector<Listener>& listeners,
                                             const Admin& admin);

}  // namespace canaryd::config
