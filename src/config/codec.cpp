#include "config/codec.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace canaryd::config {
namespace {

std::string format_number(double value) {
  std::string text;
  append_json_number(text, value);
  return text;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// A text whose ${...} is not expanded yet fits every pattern in an editor.
std::string with_variable(std::string_view pattern) {
  return "^(" + std::string(pattern) + ")$|\\$\\{";
}

}  // namespace

const std::string_view kNamePattern = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
const std::string_view kNameHelp =
    "lower-case letters, digits and inner dashes, at most 63 characters";

bool is_literal(Reader& in, const Node& node, const std::string& what) {
  if (node.kind != Node::Kind::kScalar) return in.expected(node, what);
  if (node.quoted) {
    return in.error(
        node, "expected " + what + ", got the text " + quoted(node.text), "remove the quotes");
  }
  return true;
}

bool is_text(Reader& in, const Node& node, const std::string& what) {
  if (node.kind == Node::Kind::kScalar && !node.text.empty()) return true;
  return in.expected(node, what);
}

Codec<bool> boolean() {
  Codec<bool> codec;
  codec.shape.kind = Shape::Kind::kBoolean;
  codec.shape.type = "true or false";
  codec.read = [](Reader& in, const Node& node, bool& out) {
    if (!is_literal(in, node, "true or false")) return false;
    if (node.text != "true" && node.text != "false") return in.expected(node, "true or false");
    out = node.text == "true";
    return true;
  };
  codec.write = [](const bool& value, const Names& /*names*/) {
    return std::optional(Node::literal(value ? "true" : "false"));
  };
  return codec;
}

Codec<std::uint64_t> integer(std::uint64_t minimum, std::uint64_t maximum) {
  Codec<std::uint64_t> codec;
  const std::string what =
      "an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum);
  codec.shape.kind = Shape::Kind::kInteger;
  codec.shape.type = what.substr(3);
  codec.shape.minimum = static_cast<double>(minimum);
  codec.shape.maximum = static_cast<double>(maximum);
  codec.read = [=](Reader& in, const Node& node, std::uint64_t& out) {
    if (!is_literal(in, node, what)) return false;
    std::uint64_t value = 0;
    const char* const end = node.text.data() + node.text.size();
    const auto parsed = std::from_chars(node.text.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value < minimum || value > maximum) {
      return in.expected(node, what);
    }
    out = value;
    return true;
  };
  codec.write = [](const std::uint64_t& value, const Names& /*names*/) {
    return std::optional(Node::literal(std::to_string(value)));
  };
  return codec;
}

Codec<double> number(double minimum, double maximum) {
  Codec<double> codec;
  const std::string what =
      "a number from " + format_number(minimum) + " to " + format_number(maximum);
  codec.shape.kind = Shape::Kind::kNumber;
  codec.shape.type = what.substr(2);
  codec.shape.minimum = minimum;
  codec.shape.maximum = maximum;
  codec.read = [=](Reader& in, const Node& node, double& out) {
    if (!is_literal(in, node, what)) return false;
    const auto value = parse_number(node.text);
    if (!value || *value < minimum || *value > maximum) return in.expected(node, what);
    out = *value;
    return true;
  };
  codec.write = [](const double& value, const Names& /*names*/) {
    return std::optional(Node::literal(format_number(value)));
  };
  return codec;
}

namespace {

// To who wrote a number alone. Both units, where both may stand there: a latency is nearly always
// meant in milliseconds, a timeout in seconds, and to guess wrong is to be off by a thousand.
std::string unit_hint(const std::string& text, Duration minimum, Duration maximum) {
  if (text.find_first_not_of("0123456789") != std::string::npos) return {};
  std::string hint;
  for (const char* const unit : {"ms", "s"}) {
    const auto value = parse_duration(text + unit);
    if (!value || *value < minimum || *value > maximum) continue;
    hint += (hint.empty() ? "did you mean " : " or ") + quoted(text + unit);
  }
  return hint.empty() ? hint : hint + "?";
}

}  // namespace

Codec<Duration> duration(Duration minimum, Duration maximum) {
  Codec<Duration> codec;
  codec.shape.kind = Shape::Kind::kText;
  const std::string range = format_duration(minimum) + " to " + format_duration(maximum);
  codec.shape.type = "duration, " + range;
  codec.shape.pattern = with_variable("([0-9]+(d|h|m|s|ms))+");
  codec.read = [=](Reader& in, const Node& node, Duration& out) {
    if (!is_text(in, node, "a duration such as 250ms, 30s, 10m, 6h or 2d")) return false;
    const auto value = parse_duration(node.text);
    if (!value) {
      return in.expected(node,
                         "a duration such as 250ms, 30s, 10m, 6h or 2d",
                         unit_hint(node.text, minimum, maximum));
    }
    if (*value < minimum || *value > maximum) return in.expected(node, "a duration from " + range);
    out = *value;
    return true;
  };
  codec.write = [](const Duration& value, const Names& /*names*/) {
    return std::optional(Node::string(format_duration(value)));
  };
  return codec;
}

Codec<std::uint64_t> size(std::uint64_t minimum, std::uint64_t maximum) {
  Codec<std::uint64_t> codec;
  const std::string range = format_size(minimum) + " to " + format_size(maximum);
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "size, " + range;
  codec.shape.pattern = with_variable("[0-9]+(B|KiB|MiB|GiB)?");
  codec.read = [=](Reader& in, const Node& node, std::uint64_t& out) {
    if (!is_text(in, node, "a size such as 64KiB or 10MiB")) return false;
    const auto value = parse_size(node.text);
    if (!value) return in.expected(node, "a size such as 64KiB or 10MiB");
    if (*value < minimum || *value > maximum) return in.expected(node, "a size from " + range);
    out = *value;
    return true;
  };
  codec.write = [](const std::uint64_t& value, const Names& /*names*/) {
    return std::optional(Node::string(format_size(value)));
  };
  return codec;
}

Codec<BasisPoints> weight(BasisPoints least) {
  Codec<BasisPoints> codec;
  const std::string range = format_percent(least) + " to 100";
  const std::string what = "a percentage from " + range + " with at most two decimals";
  codec.shape.kind = Shape::Kind::kNumber;
  codec.shape.type = "percent, " + range + ", at most two decimals";
  codec.shape.minimum = least.percent();
  codec.shape.maximum = 100;
  codec.read = [least, what](Reader& in, const Node& node, BasisPoints& out) {
    if (!is_literal(in, node, what)) return false;
    const auto value = parse_percent(node.text);
    if (!value || *value < least) {
      const bool sign = node.text.ends_with('%');
      return in.expected(node, what, sign ? "leave the % sign out" : "");
    }
    out = *value;
    return true;
  };
  codec.write = [](const BasisPoints& value, const Names& /*names*/) {
    return std::optional(Node::literal(format_percent(value)));
  };
  return codec;
}

Codec<double> percent(double minimum, double maximum) {
  Codec<double> codec = number(minimum, maximum);
  const std::string range = format_number(minimum) + " to " + format_number(maximum);
  const std::string what = "a percentage from " + range + " with at most six decimals";
  codec.shape.type = "percent, " + range;
  // Through whole millionths of a percent, so that reading what was written gives the same double.
  codec.read = [=](Reader& in, const Node& node, double& out) {
    if (!is_literal(in, node, what)) return false;
    const auto value = parse_number(node.text);
    if (!value || *value < minimum || *value > maximum) {
      return in.expected(node, what, node.text.ends_with('%') ? "leave the % sign out" : "");
    }
    const double millionths = std::round(*value * 1e6);
    if (std::abs(*value * 1e6 - millionths) > 1e-3) return in.expected(node, what);
    out = millionths / 1e8;
    return true;
  };
  codec.write = [](const double& value, const Names& /*names*/) {
    return std::optional(Node::literal(format_number(std::round(value * 1e8) / 1e6)));
  };
  return codec;
}

Codec<std::string> text(TextRule rule) {
  Codec<std::string> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = rule.what.substr(rule.what.find(' ') + 1);
  if (!rule.pattern.empty()) codec.shape.pattern = with_variable(rule.pattern);
  codec.read = [rule](Reader& in, const Node& node, std::string& out) {
    if (!is_text(in, node, rule.what)) return false;
    if (node.text.size() > rule.max_length) {
      return in.error(node, "longer than " + std::to_string(rule.max_length) + " bytes");
    }
    if (rule.check != nullptr && !rule.check(node.text)) return in.expected(node, rule.what);
    out = node.text;
    return true;
  };
  codec.write = [](const std::string& value, const Names& /*names*/) -> std::optional<Node> {
    if (value.empty()) return std::nullopt;
    return Node::string(value);
  };
  return codec;
}

bool is_printable(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

bool is_file_name(std::string_view text) noexcept {
  return text.find('\0') == std::string_view::npos;
}

bool is_name(std::string_view text) noexcept {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 63 && letter_or_digit(text.front()) &&
         letter_or_digit(text.back()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return letter_or_digit(c) || c == '-';
         });
}

Codec<std::string> name() {
  auto codec =
      text({"a name of " + std::string(kNameHelp), std::string(kNamePattern), is_name, 63});
  codec.shape.type = "name";
  return codec;
}

namespace {

// To who wrote that in place of IP:port.
std::string address_hint(std::string_view text, AddressOf of) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.starts_with(scheme)) return "leave " + quoted(scheme) + " out";
  }
  if (text.starts_with("localhost:")) return "write 127.0.0.1" + std::string(text.substr(9));
  if (text.starts_with(":") && !text.starts_with("::")) {
    return "write 0.0.0.0" + std::string(text) + " for every interface";
  }
  const bool is_name = text.find_first_of("ghijklmnopqrstuvwxyz") != std::string_view::npos &&
                       text.find(':') != std::string_view::npos;
  if (of == AddressOf::kEndpoint && is_name) {
    return "a name is looked up with `endpoints: {dns: " + std::string(text) + "}`";
  }
  return {};
}

}  // namespace

Codec<SocketAddress> address(AddressOf of) {
  Codec<SocketAddress> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "address: IP:port or [v6]:port";
  codec.shape.pattern = with_variable("[0-9.]+:[0-9]+|\\[[0-9a-fA-F:.]+\\]:[0-9]+");
  codec.read = [of](Reader& in, const Node& node, SocketAddress& out) {
    if (!is_text(in, node, "an address such as 127.0.0.1:8080 or [::1]:8080")) return false;
    if (node.text.starts_with("unix:")) {
      return in.error(node, quoted("unix:") + " addresses are not supported by this version");
    }
    const auto value = parse_socket_address(node.text);
    if (!value) {
      return in.error(
          node, value.error().context + ", got " + quoted(node.text), address_hint(node.text, of));
    }
    out = *value;
    return true;
  };
  codec.write = [](const SocketAddress& value, const Names& /*names*/) {
    return std::optional(Node::string(to_string(value)));
  };
  return codec;
}

Codec<Cidr> network() {
  Codec<Cidr> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "network (10.0.0.0/8)";
  codec.shape.pattern = with_variable("[0-9a-fA-F.:]+(/[0-9]+)?");
  codec.read = [](Reader& in, const Node& node, Cidr& out) {
    if (!is_text(in, node, "a network such as 10.0.0.0/8")) return false;
    const auto value = parse_cidr(node.text);
    if (!value) return in.error(node, value.error().context + ", got " + quoted(node.text));
    out = *value;
    return true;
  };
  codec.write = [](const Cidr& value, const Names& /*names*/) {
    return std::optional(Node::string(to_string(value)));
  };
  return codec;
}

bool read_reference(Reader& in,
                    const Node& node,
                    std::string_view noun,
                    const std::vector<std::string>& table,
                    std::uint32_t& index) {
  if (!is_text(in, node, "the name of one of the " + std::string(noun) + "s")) return false;
  const auto found = std::find(table.begin(), table.end(), node.text);
  if (found == table.end()) {
    const std::vector<std::string_view> words(table.begin(), table.end());
    return in.error(node,
                    "no " + std::string(noun) + " is named " + quoted(node.text),
                    in.suggest(node.text, words));
  }
  index = static_cast<std::uint32_t>(found - table.begin());
  return true;
}

namespace {

template <class Id>
Codec<Id> reference(std::string_view noun, std::vector<std::string> Names::*table) {
  Codec<Id> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type =
      "name of " + std::string(noun == "upstream" ? "an " : "a ") + std::string(noun);
  codec.shape.pattern = with_variable(kNamePattern);
  codec.read = [noun, table](Reader& in, const Node& node, Id& out) {
    std::uint32_t index = 0;
    if (!read_reference(in, node, noun, in.names().*table, index)) return false;
    out = Id(index);
    return true;
  };
  codec.write = [table](const Id& id, const Names& names) -> std::optional<Node> {
    const auto& all = names.*table;
    if (id.index() >= all.size()) return std::nullopt;
    return Node::string(all[id.index()]);
  };
  return codec;
}

}  // namespace

Codec<UpstreamId> upstream_reference() {
  return reference<UpstreamId>("upstream", &Names::upstreams);
}
Codec<RolloutId> rollout_reference() {
  return reference<RolloutId>("rollout", &Names::rollouts);
}

Shape choice_shape(const ChoiceRule& rule) {
  Shape shape;
  shape.kind = Shape::Kind::kChoice;
  shape.words = rule.words;
  for (std::size_t i = 0; i < rule.words.size(); ++i) {
    if (i > 0) shape.type += i + 1 == rule.words.size() ? " or " : ", ";
    shape.type += rule.words[i];
  }
  return shape;
}

std::optional<std::size_t> read_choice(Reader& in, const Node& node, const ChoiceRule& rule) {
  const std::string what = choice_shape(rule).type;
  if (!is_text(in, node, what)) return std::nullopt;
  const auto found = std::find(rule.words.begin(), rule.words.end(), node.text);
  if (found != rule.words.end()) return static_cast<std::size_t>(found - rule.words.begin());
  if (std::find(rule.later.begin(), rule.later.end(), node.text) != rule.later.end()) {
    in.error(node, quoted(node.text) + " is not supported by this version", "use " + what);
  } else {
    in.expected(node, what, in.suggest(node.text, rule.words));
  }
  return std::nullopt;
}

}  // namespace canaryd::config
