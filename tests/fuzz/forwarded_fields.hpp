// Which fields of a head must arrive as they came, by a list of names of its own: the fields of one
// hop, those that Connection names, and those that the proxy itself writes are left out on both
// sides of the comparison.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/http/message.hpp"
#include "fuzz/plain_reader.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>

namespace canaryd::fuzz {

inline PlainFields fields_of(const http::FieldList& fields) {
  PlainFields all;
  for (const http::Field& field : fields) {
    all.push_back({std::string(field.name), std::string(field.value)});
  }
  return all;
}

inline std::size_t count_of(const PlainFields& fields, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(fields.begin(), fields.end(), [name](const PlainField& field) {
        return lower_text(field.name) == name;
      }));
}

inline bool is_rewritten(std::string_view variable) {
  constexpr std::array<std::string_view, 18> kNames = {"close",
                                                       "connection",
                                                       "keep-alive",
                                                       "proxy-connection",
                                                       "proxy-authenticate",
                                                       "proxy-authorization",
                                                       "te",
                                                       "trailer",
                                                       "upgrade",
                                                       "http2-settings",
                                                       "content-length",
                                                       "transfer-encoding",
                                                       "host",
                                                       "expect",
                                                       "max-forwards",
                                                       "via",
                                                       "forwarded",
                                                       "x-request-id"};
  return std::find(kNames.begin(), kNames.end(), variable) != kNames.end() ||
         variable.starts_with("x-forwarded-") || variable.starts_with("x-canaryd-");
}

// The names that Connection asks to remove and may: only those that mean nothing to the proxy.
inline std::set<std::string> nominated_by(const PlainFields& fields) {
  std::set<std::string> names;
  for (const PlainField& field : fields) {
    if (lower_text(field.name) != "connection") continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      const std::string name = lower_text(trim_all(rest.substr(0, comma)));
      if (http::field_id(name) == http::FieldId::kOther) names.insert(name);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return names;
}

inline PlainFields end_to_end(const PlainFields& fields) {
  const std::set<std::string> nominated = nominated_by(fields);
  PlainFields kept;
  for (const PlainField& field : fields) {
    if (is_rewritten(variable_name(field.name))) continue;
    if (nominated.count(lower_text(field.name)) == 0) kept.push_back(field);
  }
  return kept;
}

}  // namespace canaryd::fuzz
