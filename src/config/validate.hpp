// Rules between fields: what no single key can know. Reports all that it finds.
#pragma once

#include "canaryd/config/config.hpp"
#include "canaryd/config/feasibility.hpp"
#include "config/reader.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

// `config` may come from a file with problems; what could not be read there (reader.is_bad) is not
// judged again.
void validate(const Config& config, const std::vector<LearnedTraffic>& learned, Reader& reader);

// pace.cpp: before it, when everything has been read.
void add_paced_steps(Rollout& rollout);

// The path of a list's element.
[[nodiscard]] std::string indexed(std::string_view list, std::size_t index);

// Parts of validate().
void check_admin(const Config& config, Reader& in);
void check_timeouts(const Config& config, Reader& in);
void check_health(const Config& config, Reader& in);
// validate_users.cpp: segments and splits.
void check_segments(const Config& config,
                    const Rollout& rollout,
                    const std::string& list,
                    Reader& in);
void check_splits(const Config& config, Reader& in);
// Header names that only trusted proxies are believed about, where there are none.
void warn_of_what_proxies_say(const Config& config, Reader& in);
void check_mirrors(const Config& config, Reader& in);
void check_parity(const Config& config, Reader& in);
void check_route_rules(const Config& config, Reader& in);
// Rollouts must be valid.
void check_limits(const Config& config, Reader& in);
void check_queries(const Config& config, Reader& in);
// validate_rollouts.cpp: what one rollout says of another, and its gates.
void check_rollouts_together(const Config& config, Reader& in);
// feasibility.cpp; rollouts must be valid.
void check_feasibility(const Config& config,
                       const std::vector<LearnedTraffic>& learned,
                       Reader& in);
// Where this daemon itself is: no upstream may be there.
struct OwnAddresses {
  const std::vector<Listener>& listeners;
  const Admin& admin;
};
// Each once, and somewhere that can be connected to. `list` is their path in the file.
void check_endpoints(const std::vector<Endpoint>& endpoints,
                     const std::string& list,
                     const OwnAddresses& own,
                     Reader& in);

}  // namespace canaryd::config
