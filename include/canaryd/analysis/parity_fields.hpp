// In which fields two answers to the same read differ.
//
// Compared are status, media type, chosen headers and body: JSON (RFC 8259) field by field,
// whatever the order of its keys, anything else byte by byte. A field is named by its path in the
// manner of RFC 6901, with `*` for the places of an array and `{key}` for what looks like an id
// among the keys: "/items/*/price". So differences can be counted, and no name holds what a user
// may have typed. Values are told to nobody.
//
// Bodies are untrusted. Pure; any thread. Limits: kDepthMax levels are read, anything deeper is no
// JSON; kDifferencesMax fields are told, of paths cut to kPathMax bytes.
#pragma once

#include "canaryd/stats/parity_read.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::analysis {

struct ParityField {
  enum class Kind : std::uint8_t {
    kAnswer,  // One of them is none.
    kStatus,
    kMediaType,
    kHeader,
    kBody,      // Not JSON, or only one of them.
    kType,      // Of a field: number, text, list, ...
    kValue,     // Of a field, of the same type.
    kPresence,  // A field that only one of them has.
    kLength,    // Of a list.
  };
  Kind kind = Kind::kBody;
  std::string name;  // Of a header its name; of JSON its path, "" is the whole body.
  std::string path;  // Which answers: the shape of the request's path. compare_answers() has none.
  friend auto operator<=>(const ParityField&, const ParityField&) = default;
};
[[nodiscard]] std::string_view to_string(ParityField::Kind kind) noexcept;
// "value /items/*/price of /orders/{id}", "status".
[[nodiscard]] std::string text_of(const ParityField& field);

// Fields of JSON that are not compared, nor what is in them. "updated_at": of this name, wherever
// it is; "/items/*/id": at this path, where `*` is any place, and any key.
class IgnoredFields {
 public:
  IgnoredFields() = default;
  explicit IgnoredFields(const std::vector<std::string>& rules);

  [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }
  [[nodiscard]] bool has(const std::vector<std::string_view>& path) const noexcept;

 private:
  struct Rule {
    bool anywhere = false;
    std::vector<std::string> segments;  // Not escaped.
  };
  std::vector<Rule> rules_;
};

struct Differences {
  static constexpr std::size_t kDepthMax = 32;
  static constexpr std::size_t kDifferencesMax = 50;
  static constexpr std::size_t kPathMax = 160;

  // False: what was kept agrees, but both bodies are longer than that, so nobody knows.
  bool compared = true;
  bool cut = false;  // There are more than these.
  std::set<ParityField> fields;
};

// `headers` names ParityAnswer::headers.
[[nodiscard]] Differences compare_answers(const stats::ParityAnswer& one,
                                          const stats::ParityAnswer& other,
                                          const std::vector<std::string>& headers,
                                          const IgnoredFields& ignored);

}  // namespace canaryd::analysis
