// A conversion, and what is wrong with it as one text.
#pragma once

#include "canaryd/convert/convert.hpp"

#include <string>
#include <utility>

namespace canaryd::convert {

inline Conversion run(Source from, std::string text) {
  return convert({from, "file", std::move(text), "127.0.0.1:8080"});
}

inline std::string first_error(const Conversion& conversion) {
  if (conversion.errors.empty()) return "none";
  return std::to_string(conversion.errors[0].line) + ": " + conversion.errors[0].message;
}

inline std::string all_errors(const Conversion& conversion) {
  std::string out;
  for (const Note& note : conversion.errors) {
    out += std::to_string(note.line) + ": " + note.message + "\n";
  }
  return out;
}

}  // namespace canaryd::convert
