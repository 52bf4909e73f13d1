// Locations within locations: which requests nginx takes to an inner one, and what it has of those
// around it. Routes know no nesting: the longest path has the request.
#pragma once

#include "convert/nginx_blocks.hpp"

#include <string>
#include <vector>

namespace canaryd::convert {

struct Location {
  const Directive* block = nullptr;
  const std::vector<Directive>* siblings = nullptr;  // All that stands where the block does.
  const Location* outer = nullptr;                   // Null: it is right in its server.

  // Of `location [MODIFIER] PATH`.
  [[nodiscard]] std::string modifier() const;
  [[nodiscard]] const std::string& path() const { return block->words.back(); }
  [[nodiscard]] bool is_exact() const { return modifier() == "="; }
  // Not a path or a prefix; nor is what is in it.
  [[nodiscard]] bool is_pattern() const;
  // The prefix that all its requests have.
  [[nodiscard]] std::string prefix() const;
};

[[nodiscard]] bool is_location(const Directive& directive);

// Whether the block is one of those around the location.
[[nodiscard]] bool is_within(const Location& location, const Directive* block);

// As part of a sentence, why no request comes to it; empty: some may. nginx first chooses among
// those that are right in the server, then among those in the one that it has chosen.
[[nodiscard]] std::string why_not_reached(const Location& location);

// The blocks whose `allow` and `deny` are for it: its own, unless it has none, then those of the
// nearest around it that has; and those with a `satisfy`.
[[nodiscard]] std::vector<const Directive*> access_blocks(const Location& location);

}  // namespace canaryd::convert
