// Where a reader stands in the file, and how it reports: the context of all codecs.
#pragma once

#include "config/field.hpp"
#include "config/hints.hpp"
#include "config/report.hpp"

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

// Names that references are resolved against, in the order of their ids.
struct Names {
  std::vector<std::string> upstreams;
  std::vector<std::string> rollouts;
};

class Reader {
 public:
  Reader(Report& report, Names names) : report_(report), names_(std::move(names)) {}

  // Puts a key or an index behind the path for as long as it lives.
  class Scope {
   public:
    Scope(Reader& reader, std::size_t length) : reader_(reader), length_(length) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { reader_.path_.resize(length_); }

   private:
    Reader& reader_;
    std::size_t length_;
  };
  // A section that is read for as long as it lives.
  class Inside {
   public:
    Inside(Reader& reader, const SectionInfo& info) : reader_(reader) {
      reader_.open_.push_back({&info, reader_.path_.size()});
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { reader_.open_.pop_back(); }

   private:
    Reader& reader_;
  };
  [[nodiscard]] Scope enter(const Node::Entry& entry);
  [[nodiscard]] Scope enter(std::size_t index, const Node& item);

  // "rollouts.checkout.steps[1]"; empty at the top.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const Names& names() const noexcept { return names_; }

  // `message` behind "PATH: ". Nothing is said of an inherited node: `defaults` has been read on
  // its own. Returns false, for `return in.error(...)`.
  bool error(const Node& node, const std::string& message, std::string hint = {});
  // "expected WHAT, got ..." with what stands there.
  bool expected(const Node& node, const std::string& what, std::string hint = {});
  // A message that names its own path, at the key or value that a path stands for; at its nearest
  // parent in the file when the path is not in it.
  void error_at(const std::string& path, std::string message, std::string hint = {});
  void error_at_value(const std::string& path, std::string message, std::string hint = {});
  void warn_at(const std::string& path, std::string message, std::string hint = {});

  // // Expects a map, and reports keys that the section does not have; false if there was any
  // problem.
  bool check_map(const Node& node, const SectionInfo& info);
  bool bad_name(const Node::Entry& entry);
  // Nothing is said when an unknown key looks like the missing one, and has been reported as that.
  void missing(const Node& node, const SectionInfo& info, std::string_view key);

  // `did you mean "X"?`, or empty; no longer looked for when there are too many problems already.
  [[nodiscard]] std::string suggest(std::string_view given,
                                    const std::vector<std::string_view>& words) const;

  // Could something at this path or below it not be read? An unknown key is bad at the map that it
  // stands in.
  [[nodiscard]] bool is_bad(std::string_view path) const;
  [[nodiscard]] bool all_good() const noexcept { return bad_.empty(); }

  // How often error_at and error_at_value were called.
  [[nodiscard]] std::size_t rule_errors() const noexcept { return rule_errors_; }

  // // A word that is accepted besides what a codec expects: "auto".
  std::string_view or_word;

  // Inside `defaults`, nothing is required.
  bool partial = false;

 private:
  struct Places {
    Place key;
    Place value;
  };
  [[nodiscard]] Places places_of(std::string path) const;
  [[nodiscard]] std::string below(std::string_view key) const;

  Report& report_;
  Names names_;
  std::string path_;
  std::vector<OpenSection> open_;  // From the whole file inwards.
  std::map<std::string, Places> places_;
  std::set<std::string, std::less<>> bad_;
  std::size_t rule_errors_ = 0;
};

}  // namespace canaryd::config
