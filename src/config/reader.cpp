#include "config/reader.hpp"

#include "canaryd/base/suggest.hpp"
#include "config/codec.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

std::string what_stands_there(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
    case Node::Kind::kScalar:
      return quoted(node.text);
  }
  return "nothing";
}

// Stands for a key that is bad in itself, so that its neighbours are not.
constexpr std::string_view kSomeKey = "?";

}  // namespace

Reader::Scope Reader::enter(const Node::Entry& entry) {
  const std::size_t length = path_.size();
  if (!path_.empty()) path_ += '.';
  path_ += entry.key;
  places_.insert_or_assign(path_, Places{entry.place, entry.value.place});
  return {*this, length};
}

Reader::Scope Reader::enter(std::size_t index, const Node& item) {
  const std::size_t length = path_.size();
  path_ += '[' + std::to_string(index) + ']';
  places_.insert_or_assign(path_, Places{item.place, item.place});
  return {*this, length};
}

bool Reader::error(const Node& node, const std::string& message, std::string hint) {
  bad_.insert(path_);
  if (node.inherited) return false;
  const std::string prefix = path_.empty() ? "" : path_ + ": ";
  report_.add(Severity::kError, node.place, prefix + message, std::move(hint));
  return false;
}

bool Reader::expected(const Node& node, const std::string& what, std::string hint) {
  const std::string word = or_word.empty() ? "" : std::string(or_word) + " or ";
  return error(
      node, "expected " + word + what + ", got " + what_stands_there(node), std::move(hint));
}

void Reader::error_at(const std::string& path, std::string message, std::string hint) {
  ++rule_errors_;
  report_.add(Severity::kError, places_of(path).key, std::move(message), std::move(hint));
}

void Reader::error_at_value(const std::string& path, std::string message, std::string hint) {
  ++rule_errors_;
  report_.add(Severity::kError, places_of(path).value, std::move(message), std::move(hint));
}

void Reader::warn_at(const std::string& path, std::string message, std::string hint) {
  report_.add(Severity::kWarning, places_of(path).key, std::move(message), std::move(hint));
}

bool Reader::check_map(const Node& node, const SectionInfo& info) {
  if (node.kind != Node::Kind::kMap) return expected(node, "a map", section_hint(node, info));
  bool good = true;
  for (const Node::Entry& entry : node.entries) {
    if (info.find(entry.key) != nullptr) continue;
    good = false;
    bad_.insert(below(kSomeKey));
    if (entry.value.inherited) continue;
    const auto& later = info.unsupported;
    if (std::find(later.begin(), later.end(), entry.key) != later.end()) {
      const std::string prefix = path_.empty() ? "" : path_ + ": ";
      report_.add(Severity::kError,
                  entry.place,
                  prefix + quoted(entry.key) + " is not supported by this version");
      continue;
    }
    report_.add(Severity::kError,
                entry.place,
                "unknown key " + quoted(entry.key) + (path_.empty() ? "" : " in " + path_),
                report_.full() ? std::string() : key_hint(entry.key, path_, open_));
  }
  return good;
}

bool Reader::bad_name(const Node::Entry& entry) {
  bad_.insert(below(kSomeKey));
  report_.add(Severity::kError,
              entry.place,
              path_ + ": bad name " + quoted(entry.key) + ": expected " + std::string(kNameHelp));
  return false;
}

void Reader::missing(const Node& node, const SectionInfo& info, std::string_view key) {
  if (partial) return;
  bad_.insert(below(key));
  if (report_.full()) return;
  const bool mistyped =
      std::any_of(node.entries.begin(), node.entries.end(), [&](const Node::Entry& entry) {
        if (info.find(entry.key) != nullptr) return false;
        const std::vector<std::string_view> meant = closest(entry.key, known_keys(info));
        return std::find(meant.begin(), meant.end(), key) != meant.end();
      });
  if (mistyped) return;
  const Place place = path_.empty() ? node.place : places_of(path_).key;
  const std::string prefix = path_.empty() ? "" : path_ + ": ";
  report_.add(Severity::kError, place, prefix + quoted(key) + " is missing");
}

std::string Reader::suggest(std::string_view given,
                            const std::vector<std::string_view>& words) const {
  return report_.full() ? std::string() : did_you_mean(given, words);
}

bool Reader::is_bad(std::string_view path) const {
  for (std::string_view parent = path; !parent.empty();) {
    if (bad_.contains(parent)) return true;
    const std::size_t cut = parent.find_last_of(".[");
    parent = parent.substr(0, cut == std::string_view::npos ? 0 : cut);
  }
  // Everything below a path sorts right behind it, but for keys such as "path-x" between.
  for (auto it = bad_.lower_bound(path); it != bad_.end() && it->starts_with(path); ++it) {
    const char next = it->size() == path.size() ? '.' : (*it)[path.size()];
    if (next == '.' || next == '[') return true;
  }
  return false;
}

std::string Reader::below(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

Reader::Places Reader::places_of(std::string path) const {
  while (!path.empty()) {
    if (const auto found = places_.find(path); found != places_.end()) return found->second;
    const std::size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return {{0, 1, 1}, {0, 1, 1}};
}

}  // namespace canaryd::config
