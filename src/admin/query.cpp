#include "admin/query.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace canaryd::admin {

Result<Query> Query::parse(std::string_view text, std::initializer_list<std::string_view> known) {
  Query query;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view entry = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (entry.empty()) continue;
    const std::size_t equals = std::min(entry.find('='), entry.size());
    const std::string_view name = entry.substr(0, equals);
    if (std::find(known.begin(), known.end(), name) == known.end() || query.has(name)) {
      std::string detail = "unknown or repeated query parameter; expected:";
      for (const std::string_view word : known) detail += " " + std::string(word);
      return fail(ErrorCode::kInvalidArgument, detail);
    }
    query.entries_.emplace_back(name, entry.substr(std::min(equals + 1, entry.size())));
  }
  return query;
}

Result<std::optional<std::uint64_t>> Query::number(std::string_view name,
                                                   std::uint64_t low,
                                                   std::uint64_t high) const {
  const std::string_view* const text = find(name);
  if (text == nullptr) return std::optional<std::uint64_t>();
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || value < low || value > high) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(name) + " must be a number from " + std::to_string(low) + " to " +
                    std::to_string(high));
  }
  return std::optional<std::uint64_t>(value);
}

const std::string_view* Query::find(std::string_view name) const noexcept {
  for (const auto& [key, value] : entries_) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace canaryd::admin
