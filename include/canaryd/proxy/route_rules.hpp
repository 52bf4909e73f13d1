// What a route does with its requests and responses beside sending them on: decided when a snapshot
// is built. A route without any has none, and its requests pay for a comparison.
//
// Thread rule: immutable, shared by all workers.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/http/rewrite.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::proxy {

struct RewritePolicy {
  http::PathMapping path;
  std::optional<UpstreamId> only;  // Requests to others go on as they came.
  bool location = true;
  bool cookie_path = true;
  std::string cookie_domain{};  // Empty: stays.

  [[nodiscard]] bool applies_to(UpstreamId upstream) const noexcept {
    return !only || *only == upstream;
  }
};

// A field that canaryd adds to responses. Those with `once` only where the upstream has none of
// that name.
struct AddedField {
  std::string name;
  std::string value;
  bool once = true;
};

// The texts together have at most 32 KiB.
struct RespondPolicy {
  std::uint16_t status = 200;
  std::string
      location{};  // {path}, {rest} and {query}, each at most once, are put in; empty: none.
  std::size_t prefix_bytes = 0;  // Of the path, which {rest} is without.
  std::string fields{};          // Whole lines.
  std::string content_type{};
  std::string body{};
};

struct RouteRules {
  std::optional<RewritePolicy> rewrite;
  std::optional<RespondPolicy> respond;
  std::vector<AddedField> fields;  // Of what an upstream answers.
  bool watched = false;            // Its paths are counted: stats/path_sketch.hpp.
};

// Index: RouteId; null for a route without any.
using RouteRulesList = std::vector<std::shared_ptr<const RouteRules>>;

// The value of Location for a request.
[[nodiscard]] std::string location_of(const RespondPolicy& respond, const http::Target& target);

}  // namespace canaryd::proxy
