// The containers of a pod template, and which of them is the one that is released.
#pragma once

#include "convert/manifest.hpp"

#include <string>
#include <utility>
#include <vector>

namespace canaryd::convert {

struct Container {
  struct Port {
    std::string name;
    std::string number;
  };

  std::string name;
  std::string image;
  std::vector<Port> ports;
};

// Of the spec of a pod.
[[nodiscard]] std::vector<Container> read_containers(Part& pod);

// The one that the target port of a Service leads to, else the one that is called as the rollout,
// else the first; a well-known sidecar only if there is nothing else. Nothing if there is none.
[[nodiscard]] const Container* released_container(const std::vector<Container>& containers,
                                                  const std::vector<std::string>& target_ports,
                                                  std::string_view rollout);

// The port that a target port stands for, else the container's first; empty: it has none.
[[nodiscard]] std::string port_of(const Container& container,
                                  const std::vector<std::string>& target_ports);

// Of a Service: where it leads to in the pod is `target`.
struct ServicePort {
  std::string name;
  std::string number;
  std::string target;
};

// Of the Service of that name; none: it is not in this file.
[[nodiscard]] std::vector<ServicePort> read_service_ports(Draft& draft,
                                                          const ManifestsByName& services,
                                                          const std::string& name);

// Of stable's and of the canary's the one port that requests go to: one that both have, rather one
// of HTTP by its name, rather an earlier one. Empty for who has none.
[[nodiscard]] std::pair<ServicePort, ServicePort> released_ports(
    const std::vector<ServicePort>& of_stable, const std::vector<ServicePort>& of_canary);

// The tag of an image, as far as it is a revision; empty if it is not.
[[nodiscard]] std::string revision_of(const std::string& image);

}  // namespace canaryd::convert
