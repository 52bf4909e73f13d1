// A section of the file bound to a struct: the typed half of the field table.
//
//   Section<Drain> section("Drain");
//   section.add("timeout", &Drain::timeout, duration(0s, 1h), "how long ...");
//
// Defaults come from a default-constructed struct, so they are written once, in config.hpp.
#pragma once

#include "config/codec.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::config {

template <class T>
class Section {
 public:
  explicit Section(std::string_view title) { info_.title = title; }

  // `member` is a member pointer or a function from T& to the value's place.
  template <class Member, class V>
  FieldInfo& add(std::string_view key, Member member, Codec<V> codec, std::string_view help) {
    FieldInfo& field = info_.fields.emplace_back();
    field.key = key;
    field.help = help;
    field.shape = std::move(codec.shape);
    T defaults{};
    field.default_value = codec.write(std::invoke(member, defaults), Names{});
    read_.push_back([member, read = std::move(codec.read)](Reader& in, const Node& node, T& out) {
      return read(in, node, std::invoke(member, out));
    });
    // Members are reached through one accessor for reading and writing; a write does not change the
    // copy.
    write_.push_back([member, write = std::move(codec.write)](const T& value, const Names& names) {
      return write(std::invoke(member, const_cast<T&>(value)), names);  // NOLINT
    });
    return field;
  }
  template <class Member, class V>
  void require(std::string_view key, Member member, Codec<V> codec, std::string_view help) {
    FieldInfo& field = add(key, member, std::move(codec), help);
    field.required = true;
    field.default_value.reset();
  }
  // All keys of another section, for a part of T.
  template <class Part, class Member>
  void include(Member part, const Section<Part>& inner) {
    for (std::size_t i = 0; i < inner.read_.size(); ++i) {
      info_.fields.push_back(inner.info_.fields[i]);
      read_.push_back([part, read = inner.read_[i]](Reader& in, const Node& node, T& out) {
        return read(in, node, std::invoke(part, out));
      });
      write_.push_back([part, write = inner.write_[i]](const T& value, const Names& names) {
        return write(std::invoke(part, value), names);
      });
    }
    const auto& later = inner.info_.unsupported;
    info_.unsupported.insert(info_.unsupported.end(), later.begin(), later.end());
  }
  // Keys of the contract that are not built yet.
  void unsupported(std::vector<std::string_view> keys) { info_.unsupported = std::move(keys); }

  [[nodiscard]] const SectionInfo& info() const noexcept { return info_; }

  bool read(Reader& in, const Node& node, T& out) const {
    bool good = in.check_map(node, info_);
    if (node.kind != Node::Kind::kMap) return false;
    for (std::size_t i = 0; i < read_.size(); ++i) {
      const FieldInfo& field = info_.fields[i];
      const Node::Entry* entry = node.find(field.key);
      if (entry == nullptr) {
        if (!field.required) continue;
        in.missing(node, info_, field.key);
        good = false;
        continue;
      }
      const auto scope = in.enter(*entry);
      good = read_[i](in, entry->value, out) && good;
    }
    return good;
  }

  [[nodiscard]] Node write(const T& value, const Names& names) const {
    Node node = Node::map();
    for (std::size_t i = 0; i < write_.size(); ++i) {
      if (auto entry = write_[i](value, names)) {
        node.add(std::string(info_.fields[i].key), std::move(*entry));
      }
    }
    return node;
  }

 private:
  template <class Other>
  friend class Section;

  SectionInfo info_;
  std::vector<std::function<bool(Reader&, const Node&, T&)>> read_;
  std::vector<std::function<std::optional<Node>(const T&, const Names&)>> write_;
};

// The section must outlive the codec: sections are function-local statics.
template <class T>
[[nodiscard]] Codec<T> section(const Section<T>& inner) {
  Codec<T> codec;
  codec.shape.kind = Shape::Kind::kSection;
  codec.shape.type = "map";
  codec.shape.section = &inner.info();
  codec.read = [&inner](Reader& in, const Node& node, T& out) { return inner.read(in, node, out); };
  codec.write = [&inner](const T& value, const Names& names) {
    return std::optional(inner.write(value, names));
  };
  return codec;
}
inline constexpr std::size_t kMaxKeptKey = 255;

// A map from names to sections; the name goes into T::name.
template <class T>
[[nodiscard]] Codec<std::vector<T>> named(const Section<T>& inner,
                                          std::size_t minimum,
                                          std::size_t maximum) {
  Codec<std::vector<T>> codec;
  codec.shape.kind = Shape::Kind::kNamed;
  codec.shape.type = "map of names";
  codec.shape.least_items = minimum;
  codec.shape.element = std::make_shared<Shape>(section(inner).shape);
  codec.read = [&inner, minimum, maximum](Reader& in, const Node& node, std::vector<T>& out) {
    if (node.kind != Node::Kind::kMap) return in.expected(node, "a map of names");
    if (node.entries.size() < minimum) return in.error(node, "the map is empty");
    if (node.entries.size() > maximum) {
      return in.error(node, "more than " + std::to_string(maximum) + " names");
    }
    out.clear();
    bool good = true;
    for (const Node::Entry& entry : node.entries) {
      T& value = out.emplace_back();
      value.name = entry.key;
      if (!is_name(entry.key)) {
        good = in.bad_name(entry);
        if (entry.key.size() > kMaxKeptKey) continue;  // Paths begin with it: bounds their size.
      }
      const auto scope = in.enter(entry);
      good = inner.read(in, entry.value, value) && good;
    }
    return good;
  };
  codec.write = [&inner](const std::vector<T>& values, const Names& names) {
    Node node = Node::map();
    for (const T& value : values) node.add(value.name, inner.write(value, names));
    return std::optional(std::move(node));
  };
  return codec;
}

}  // namespace canaryd::config
