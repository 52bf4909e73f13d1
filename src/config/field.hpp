// What a key is, for people and for tools: the type-erased half of the field table. load() is
// driven by the typed half (codec.hpp, section.hpp) that stands beside each of these; the documents
// are printed from here.
#pragma once

#include "canaryd/config/yaml_tree.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

struct SectionInfo;

struct Shape {
  enum class Kind : std::uint8_t {
    kBoolean,
    kInteger,
    kNumber,
    kText,
    kChoice,
    kList,     // Of `element`.
    kNamed,    // A map from names to `element`.
    kSection,  // `section`.
    kEither,   // Any of `alternatives`.
  };
  // Made and copied for each of some hundred keys: compiled once, in field.cpp.
  Shape() noexcept;
  Shape(const Shape& other);
  Shape(Shape&& other) noexcept;
  Shape& operator=(const Shape& other);
  Shape& operator=(Shape&& other) noexcept;
  ~Shape();

  Kind kind = Kind::kText;
  std::string type;  // For people: "duration", "integer from 1 to 64".
  std::optional<double> minimum;
  std::optional<double> maximum;
  std::size_t least_items = 0;
  std::string pattern;  // Of a text, or of the names of kNamed, as a JSON Schema pattern.
  std::vector<std::string_view> words;
  std::shared_ptr<const Shape> element;
  const SectionInfo* section = nullptr;
  std::vector<Shape> alternatives;
};

struct FieldInfo {
  std::string_view key;
  std::string_view help;
  Shape shape;
  bool required = false;
  bool restart = false;               // A change waits for a restart.
  std::optional<Node> default_value;  // Not set: no value, or `default_note` explains.
  std::string_view default_note;
};

struct SectionInfo {
  std::string_view title;  // For the headings of the reference: "Listener".
  std::vector<FieldInfo> fields;
  std::vector<std::string_view>
      unsupported;  // Keys of the contract that this version has not built.

  [[nodiscard]] const FieldInfo* find(std::string_view key) const noexcept {
    for (const FieldInfo& field : fields) {
      if (field.key == key) return &field;
    }
    return nullptr;
  }
};

}  // namespace canaryd::config
