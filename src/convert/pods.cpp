#include "convert/pods.hpp"

#include <algorithm>
#include <string_view>

namespace canaryd::convert {
namespace {

// What stands beside an application in a pod, by the name of the container or of its image.
constexpr std::string_view kSidecars[] = {"istio-proxy",
                                          "proxyv2",
                                          "linkerd-proxy",
                                          "envoy",
                                          "envoy-sidecar",
                                          "consul-dataplane",
                                          "kuma-sidecar",
                                          "kuma-dp",
                                          "daprd",
                                          "queue-proxy",
                                          "oauth2-proxy",
                                          "kube-rbac-proxy",
                                          "cloud-sql-proxy",
                                          "cloudsql-proxy",
                                          "gce-proxy",
                                          "vault-agent",
                                          "fluent-bit",
                                          "fluentd",
                                          "filebeat",
                                          "promtail",
                                          "datadog-agent",
                                          "jaeger-agent",
                                          "otel-collector",
                                          "opentelemetry-collector",
                                          "opentelemetry-collector-contrib",
                                          "aws-xray-daemon",
                                          "xray-daemon",
                                          "statsd-exporter",
                                          "nginx-prometheus-exporter",
                                          "git-sync"};

bool is_sidecar(const Container& container) {
  const std::size_t begin = container.image.rfind('/') + 1;
  const std::size_t end =
      std::min(container.image.find_first_of(":@", begin), container.image.size());
  const std::string_view image = std::string_view(container.image).substr(begin, end - begin);
  return std::any_of(std::begin(kSidecars), std::end(kSidecars), [&](std::string_view known) {
    return known == container.name || known == image;
  });
}

const Container::Port* find_port(const Container& container,
                                 const std::vector<std::string>& target_ports) {
  for (const Container::Port& port : container.ports) {
    const auto is_this = [&](const std::string& target) {
      return !target.empty() && (target == port.name || target == port.number);
    };
    if (std::any_of(target_ports.begin(), target_ports.end(), is_this)) return &port;
  }
  return nullptr;
}

bool is_of_http(const ServicePort& port) {
  return port.name.starts_with("http");
}

bool is_same_port(const ServicePort& a, const ServicePort& b) {
  return a.number == b.number || (!a.name.empty() && a.name == b.name);
}

ServicePort likeliest(const std::vector<ServicePort>& ports) {
  const auto found = std::find_if(ports.begin(), ports.end(), is_of_http);
  if (found != ports.end()) return *found;
  return ports.empty() ? ServicePort{} : ports.front();
}

// What a revision may be, of that which a tag may be.
bool is_revision(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::vector<Container> read_containers(Part& pod) {
  std::vector<Container> containers;
  for (Part& item : pod.items("containers")) {
    Container container;
    container.name = item.text("name");
    container.image = item.text("image");
    for (Part& port : item.items("ports")) {
      container.ports.push_back({port.text("name"), port.text("containerPort")});
    }
    containers.push_back(std::move(container));
  }
  return containers;
}

const Container* released_container(const std::vector<Container>& containers,
                                    const std::vector<std::string>& target_ports,
                                    std::string_view rollout) {
  std::vector<const Container*> candidates;
  for (const Container& container : containers) {
    if (!is_sidecar(container)) candidates.push_back(&container);
  }
  if (candidates.empty()) return containers.empty() ? nullptr : &containers.front();
  for (const Container* const candidate : candidates) {
    if (find_port(*candidate, target_ports) != nullptr) return candidate;
  }
  for (const Container* const candidate : candidates) {
    if (candidate->name == rollout) return candidate;
  }
  return candidates.front();
}

std::string port_of(const Container& container, const std::vector<std::string>& target_ports) {
  const Container::Port* const port = find_port(container, target_ports);
  if (port != nullptr) return port->number;
  return container.ports.empty() ? "" : container.ports.front().number;
}

std::vector<ServicePort> read_service_ports(Draft& draft,
                                            const ManifestsByName& services,
                                            const std::string& name) {
  std::vector<ServicePort> ports;
  const auto found = services.find(name);
  if (found == services.end()) return ports;
  Part top(draft, &found->second->root, "");
  for (Part& port : top.part("spec").items("ports")) {
    const std::string number = port.text("port");
    const std::string target = port.has("targetPort") ? port.text("targetPort") : number;
    ports.push_back({port.text("name"), number, target});
  }
  return ports;
}

std::pair<ServicePort, ServicePort> released_ports(const std::vector<ServicePort>& of_stable,
                                                   const std::vector<ServicePort>& of_canary) {
  for (const bool http : {true, false}) {
    for (const ServicePort& stable : of_stable) {
      for (const ServicePort& canary : of_canary) {
        const bool fits = !http || is_of_http(stable) || is_of_http(canary);
        if (fits && is_same_port(stable, canary)) return {stable, canary};
      }
    }
  }
  return {likeliest(of_stable), likeliest(of_canary)};
}

std::string revision_of(const std::string& image) {
  const std::size_t colon = image.find(':', image.rfind('/') + 1);
  if (colon == std::string::npos) return {};
  std::string revision = image.substr(colon + 1);
  // The digest tells more than the tag, but there is not room for every one.
  if (!is_revision(revision)) revision.resize(std::min(revision.find('@'), revision.size()));
  return is_revision(revision) ? revision : "";
}

}  // namespace canaryd::convert
