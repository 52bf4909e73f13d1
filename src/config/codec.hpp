// How one kind of value is read, written and described. A codec is a value: the field table is made
// of them.
//
// read reports what is wrong and returns false; write returns nothing for a value that is not
// there. What read takes, write gives back, and the other way round.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/ip.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/base/url.hpp"
#include "config/erased.hpp"
#include "config/field.hpp"
#include "config/hints.hpp"
#include "config/reader.hpp"
#include "config/words.hpp"

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::config {

template <class V>
struct Codec {
  Shape shape;
  Read<V> read;    // bool(Reader&, const Node&, V&)
  Write<V> write;  // std::optional<Node>(const V&, const Names&)
};

// ---------------------------------------------------------------- scalars (codec.cpp)

[[nodiscard]] Codec<bool> boolean();
[[nodiscard]] Codec<std::uint64_t> integer(std::uint64_t minimum, std::uint64_t maximum);
[[nodiscard]] Codec<double> number(double minimum, double maximum);
[[nodiscard]] Codec<Duration> duration(Duration minimum, Duration maximum);
[[nodiscard]] Codec<std::uint64_t> size(std::uint64_t minimum, std::uint64_t maximum);
// Percent in the file, BasisPoints or a ratio in the Config. A ratio keeps six decimals of the
// percentage.
[[nodiscard]] Codec<BasisPoints> weight(BasisPoints least = BasisPoints(1));
[[nodiscard]] Codec<double> percent(double minimum, double maximum);

// Text that `check` has no complaint about ("expected WHAT" when it returns false). Never empty.
struct TextRule {
  std::string what;     // "a header name"
  std::string pattern;  // JSON Schema.
  bool (*check)(std::string_view) = nullptr;
  std::size_t max_length = 255;
};
[[nodiscard]] Codec<std::string> text(TextRule rule);
[[nodiscard]] bool is_printable(std::string_view text) noexcept;  // No control characters.
[[nodiscard]] bool is_file_name(std::string_view text) noexcept;  // No NUL.
[[nodiscard]] Codec<std::string> name();                          // The grammar of names.
[[nodiscard]] bool is_name(std::string_view text) noexcept;
extern const std::string_view kNamePattern;
extern const std::string_view kNameHelp;

inline constexpr Duration kDay = std::chrono::hours(24);

enum class AddressOf : std::uint8_t { kOurs, kEndpoint };
[[nodiscard]] Codec<SocketAddress> address(AddressOf of = AddressOf::kOurs);
[[nodiscard]] Codec<Cidr> network();
[[nodiscard]] Codec<HttpUrl> http_url();  // codec_url.cpp

// The index of a name in `table`; `noun` is "upstream" or "rollout".
[[nodiscard]] bool read_reference(Reader& in,
                                  const Node& node,
                                  std::string_view noun,
                                  const std::vector<std::string>& table,
                                  std::uint32_t& index);
[[nodiscard]] Codec<UpstreamId> upstream_reference();
[[nodiscard]] Codec<RolloutId> rollout_reference();

// Unquoted scalar, quoted scalar, or a complaint that names what was wanted.
[[nodiscard]] bool is_literal(Reader& in, const Node& node, const std::string& what);
[[nodiscard]] bool is_text(Reader& in, const Node& node, const std::string& what);

// One of several words; `later` are words of the contract that this version has not built.
struct ChoiceRule {
  std::vector<std::string_view> words;
  std::vector<std::string_view> later;
};
[[nodiscard]] Shape choice_shape(const ChoiceRule& rule);
[[nodiscard]] std::optional<std::size_t> read_choice(Reader& in,
                                                     const Node& node,
                                                     const ChoiceRule& rule);

// ---------------------------------------------------------------- combinations

// A text that may be a secret: where others look, it is masked.
[[nodiscard]] inline Codec<std::string> secret(Node::Secret what, Codec<std::string> inner) {
  Codec<std::string> codec;
  codec.shape = std::move(inner.shape);
  codec.read = std::move(inner.read);
  codec.write = [what, write = std::move(inner.write)](const std::string& value,
                                                       const Names& names) {
    std::optional<Node> node = write(value, names);
    if (node) node->secret = what;
    return node;
  };
  return codec;
}

template <class E, std::size_t N>
[[nodiscard]] Codec<E> choice(const std::array<Word<E>, N>& words,
                              std::vector<std::string_view> later = {}) {
  ChoiceRule rule;
  for (const Word<E>& word : words) rule.words.push_back(word.text);
  rule.later = std::move(later);
  Codec<E> codec;
  codec.shape = choice_shape(rule);
  codec.read = [rule, &words](Reader& in, const Node& node, E& out) {
    const auto index = read_choice(in, node, rule);
    if (index) out = words[*index].value;
    return index.has_value();
  };
  codec.write = [&words](const E& value, const Names& /*names*/) {
    return std::optional(Node::string(std::string(word_of(words, value))));
  };
  return codec;
}

// Another integer type in the Config; the codec's range must fit into it.
template <std::unsigned_integral V>
[[nodiscard]] Codec<V> narrow(Codec<std::uint64_t> wide) {
  Codec<V> codec;
  codec.shape = std::move(wide.shape);
  codec.read = [read = std::move(wide.read)](Reader& in, const Node& node, V& out) {
    std::uint64_t value = 0;
    if (!read(in, node, value)) return false;
    out = static_cast<V>(value);
    return true;
  };
  codec.write = [write = std::move(wide.write)](const V& value, const Names& names) {
    return write(value, names);
  };
  return codec;
}

template <class V>
[[nodiscard]] Codec<std::optional<V>> optional(Codec<V> inner) {
  Codec<std::optional<V>> codec;
  codec.shape = std::move(inner.shape);
  codec.read = [read = std::move(inner.read)](Reader& in, const Node& node, std::optional<V>& out) {
    return read(in, node, out.emplace());
  };
  codec.write = [write = std::move(inner.write)](const std::optional<V>& value,
                                                 const Names& names) -> std::optional<Node> {
    if (!value) return std::nullopt;
    return write(*value, names);
  };
  return codec;
}

// A word that stands for one value, beside what the codec reads: "unlimited", "auto".
template <class V>
[[nodiscard]] Codec<V> word_or(std::string_view word, V meaning, Codec<V> inner) {
  Codec<V> codec;
  Shape word_shape;
  word_shape.kind = Shape::Kind::kChoice;
  word_shape.words = {word};
  codec.shape.kind = Shape::Kind::kEither;
  codec.shape.type = std::string(word) + " or " + inner.shape.type;
  codec.shape.alternatives = {std::move(word_shape), std::move(inner.shape)};
  codec.read = [word, meaning, read = std::move(inner.read)](Reader& in, const Node& node, V& out) {
    if (node.kind != Node::Kind::kScalar || node.text != word) {
      in.or_word = word;
      const bool good = read(in, node, out);
      in.or_word = {};
      return good;
    }
    out = meaning;
    return true;
  };
  codec.write = [word, meaning, write = std::move(inner.write)](const V& value,
                                                                const Names& names) {
    if (value == meaning) return std::optional(Node::string(std::string(word)));
    return write(value, names);
  };
  return codec;
}

// An element that cannot be read keeps its place as a default value: later messages count on the
// index.
template <class V>
[[nodiscard]] Codec<std::vector<V>> list_of(Codec<V> element,
                                            std::size_t minimum,
                                            std::size_t maximum) {
  Codec<std::vector<V>> codec;
  codec.shape.kind = Shape::Kind::kList;
  codec.shape.type = "list";
  codec.shape.least_items = minimum;
  codec.shape.element = std::make_shared<Shape>(element.shape);
  codec.read = [minimum, maximum, shape = codec.shape.element, read = std::move(element.read)](
                   Reader& in, const Node& node, std::vector<V>& out) {
    if (node.kind != Node::Kind::kList) {
      return in.expected(node, "a list", list_hint(node, *shape));
    }
    if (node.items.size() < minimum) return in.error(node, "the list is empty");
    if (node.items.size() > maximum) {
      return in.error(node, "more than " + std::to_string(maximum) + " entries");
    }
    out.clear();
    bool good = true;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const auto scope = in.enter(i, node.items[i]);
      V value{};
      good = read(in, node.items[i], value) && good;
      out.push_back(std::move(value));
    }
    return good;
  };
  codec.write = [minimum, write = std::move(element.write)](
                    const std::vector<V>& values, const Names& names) -> std::optional<Node> {
    // Left out, where an empty list would not be read back.
    if (values.size() < minimum) return std::nullopt;
    Node node = Node::list();
    for (const V& value : values) {
      if (auto item = write(value, names)) node.items.push_back(std::move(*item));
    }
    return node;
  };
  return codec;
}

}  // namespace canaryd::config
