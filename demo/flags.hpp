// Command line of the demo programs: "--name value" pairs over defaults; an unknown name ends the
// program.
#pragma once

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <utility>

namespace demo {

class Flags {
 public:
  Flags(int argc, char** argv, std::map<std::string, std::string> defaults)
      : values_(std::move(defaults)) {
    for (int i = 1; i < argc; i += 2) {
      const auto found = values_.find(argv[i]);
      if (found == values_.end() || i + 1 == argc) usage(argv[0], argv[i]);
      found->second = argv[i + 1];
    }
  }

  [[nodiscard]] const std::string& text(const std::string& name) const { return values_.at(name); }
  [[nodiscard]] double number(const std::string& name) const {
    const std::string& value = text(name);
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (end == value.c_str() || *end != '\0' || number < 0) {
      std::cerr << name << ": not a number: " << value << '\n';
      std::exit(2);
    }
    return number;
  }

 private:
  [[noreturn]] void usage(const char* program, const char* argument) const {
    std::cerr << program << ": unknown or incomplete: " << argument << "\nflags:";
    for (const auto& [name, value] : values_) std::cerr << ' ' << name << " (" << value << ')';
    std::cerr << '\n';
    std::exit(2);
  }

  std::map<std::string, std::string> values_;
};

}  // namespace demo
