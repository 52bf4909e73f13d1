// Where the endpoints of an upstream come from: a list, a file, or a name.
#include "config/fields.hpp"

#include <algorithm>
#include <charconv>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

// "name:port". The name is looked up by the system, so what it may consist of is the system's to
// say; this refuses what cannot be one.
struct NamedPort {
  std::string host;
  std::uint16_t port = 0;
};

bool split_name(std::string_view text, NamedPort& out) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon > 253) return false;
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool sound = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (!sound || host.front() == '-' || host.front() == '.' || error != std::errc() ||
      end != port.data() + port.size() || out.port == 0) {
    return false;
  }
  out.host = host;
  return true;
}

bool is_name_with_port(std::string_view text) {
  NamedPort ignored;
  return split_name(text, ignored);
}

struct RawDiscovery {
  std::optional<std::string> file;
  std::optional<std::string> dns;
  std::optional<Duration> refresh;
};

const Section<RawDiscovery>& discovery_section() {
  static const auto made = [] {
    Section<RawDiscovery> s("Discovery");
    s.add("file",
          &RawDiscovery::file,
          optional(text({"a file name", "", is_file_name, 4096})),
          "A file that holds `endpoints: [...]`, relative to this one; it is followed.");
    s.add("dns",
          &RawDiscovery::dns,
          optional(text({"a name with a port, such as shop.internal:8080",
                         "[A-Za-z0-9_][A-Za-z0-9._-]*:[0-9]+",
                         is_name_with_port,
                         260})),
          "A name whose addresses, of both families, are the endpoints.");
    s.add("refresh",
          &RawDiscovery::refresh,
          optional(duration(1s, std::chrono::hours(24))),
          "With `dns`: how often it is looked up; 30s if left out.");
    return s;
  }();
  return made;
}

bool read_discovery(Reader& in, const Node& node, Upstream& out) {
  RawDiscovery raw;
  if (!discovery_section().read(in, node, raw)) return false;
  if (raw.file.has_value() == raw.dns.has_value()) {
    return in.error(node, "either file or dns is needed, and not both");
  }
  Discovery discovery;
  if (raw.file) {
    if (raw.refresh)
      return in.error(node, "refresh goes with dns; a file is followed all the time");
    discovery.file = *raw.file;
  } else {
    NamedPort name;
    static_cast<void>(split_name(*raw.dns, name));
    discovery.host = std::move(name.host);
    discovery.port = name.port;
    discovery.refresh = raw.refresh.value_or(discovery.refresh);
  }
  out.discovery = std::move(discovery);
  return true;
}

Node write_discovery(const Discovery& discovery, const Names& names) {
  RawDiscovery raw;
  if (discovery.by_file()) {
    raw.file = discovery.file;
  } else {
    raw.dns = discovery.host + ":" + std::to_string(discovery.port);
    raw.refresh = discovery.refresh;
  }
  return discovery_section().write(raw, names);
}

// To who wrote one address, name or file alone.
std::string endpoints_hint(const std::string& text) {
  Node instead = Node::map();
  if (parse_socket_address(text)) {
    instead = Node::list();
    instead.items.push_back(Node::string(text));
  } else if (is_name_with_port(text)) {
    instead.add("dns", Node::string(text));
  } else if (text.ends_with(".yaml") || text.ends_with(".yml")) {
    instead.add("file", Node::string(text));
  } else {
    return {};
  }
  return write_hint(instead);
}

}  // namespace

Codec<Upstream> upstream_endpoints() {
  const auto list = endpoint_list();
  Codec<Upstream> codec;
  codec.shape.kind = Shape::Kind::kEither;
  codec.shape.type = "list, or {file: PATH}, or {dns: NAME:PORT, refresh: 30s}";
  codec.shape.alternatives = {list.shape, section(discovery_section()).shape};
  codec.read = [list](Reader& in, const Node& node, Upstream& out) {
    if (node.kind == Node::Kind::kMap) return read_discovery(in, node, out);
    if (node.kind == Node::Kind::kScalar) {
      return in.expected(node, "a list", endpoints_hint(node.text));
    }
    return list.read(in, node, out.endpoints);
  };
  codec.write = [list](const Upstream& value, const Names& names) {
    if (value.discovery) return std::optional(write_discovery(*value.discovery, names));
    return list.write(value.endpoints, names);
  };
  return codec;
}

}  // namespace canaryd::config
