// A section of the file bound to a struct: the typed half of the field table.
//
//   Section<Drain> section("Drain");
//   section.add("timeout", &Drain::timeout, duration(0s, 1h), "how long ...");
//
// Defaults come from a default-constructed struct, so they are written once, in config.hpp.
#pragma once

#include "config/codec.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::config {

// What a section does whatever its struct is.
class SectionTable {
 public:
  // Keys of the contract that are not built yet.
  void unsupported(std::vector<std::string_view> keys) { info_.unsupported = std::move(keys); }

  [[nodiscard]] const SectionInfo& info() const noexcept { return info_; }

 protected:
  struct Row {
    Row(ErasedPointer read, ErasedPointer write, ErasedPointer place);
    [[nodiscard]] void* place(void* whole) const;

    ErasedPointer read;
    ErasedPointer write;
    std::vector<ErasedPointer> places;  // From the value outwards to the section's struct.
  };

  explicit SectionTable(std::string_view title) { info_.title = title; }

  FieldInfo& add_row(
      std::string_view key, std::string_view help, Shape shape, void* defaults, Row row);
  static void make_required(FieldInfo& field);
  void include_rows(const ErasedPointer& part, const SectionTable& inner);
  bool read_rows(Reader& in, const Node& node, void* out) const;
  [[nodiscard]] Node write_rows(const void* value, const Names& names) const;

  SectionInfo info_;

 private:
  std::vector<Row> rows_;
};

template <class T>
class Section : public SectionTable {
 public:
  explicit Section(std::string_view title) : SectionTable(title) {}

  // `member` is a member pointer or a function from T& to the value's place.
  template <class Member, class V>
  FieldInfo& add(std::string_view key, Member member, Codec<V> codec, std::string_view help) {
    return add_row(key,
                   help,
                   std::move(codec.shape),
                   &defaults_,
                   Row(codec.read.erased(), codec.write.erased(), place_of<T>(member)));
  }
  template <class Member, class V>
  void require(std::string_view key, Member member, Codec<V> codec, std::string_view help) {
    make_required(add(key, member, std::move(codec), help));
  }
  // All keys of another section, for a part of T.
  template <class Part, class Member>
  void include(Member part, const Section<Part>& inner) {
    include_rows(place_of<T>(part), inner);
  }

  bool read(Reader& in, const Node& node, T& out) const { return read_rows(in, node, &out); }
  [[nodiscard]] Node write(const T& value, const Names& names) const {
    return write_rows(&value, names);
  }

 private:
  T defaults_{};
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
