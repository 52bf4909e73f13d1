// A condition on one property of a request: which requests are traffic, but no evidence
// (`analysis.exclude`), and which belong to a segment of the users (`cohort.segments`).
//
// A rule looks at the path, a header, a cookie, a parameter of the query, or the network that the
// client is in. A value is compared whole with each of `equals`, and `matches` is looked for
// anywhere in it, whatever the case of its ASCII letters; '*' in `matches` stands for anything, so
// "bot", "*bot*" and "BOT" fit the same values. Without either it is enough that there is one. Only
// the first kValueBytesLooked of a value are looked at for `matches`, so that the cost of a long
// one is bounded. A parameter's value is what it stands for: "pro plus" for pro+plus and
// pro%20plus.
//
// Pure; any thread; does not allocate. Limits: kRequestRulesMax rules in a list, kPatternBytesMax,
// kEqualsMax of kEqualsBytesMax each.
#pragma once

#include "canaryd/base/ip.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/http/message.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::routing {

inline constexpr std::size_t kRequestRulesMax = 16;
inline constexpr std::size_t kPatternBytesMax = 128;
inline constexpr std::size_t kValueBytesLooked = 512;
inline constexpr std::size_t kEqualsMax = 64;
inline constexpr std::size_t kEqualsBytesMax = 1024;

// Exactly one of the first five is set.
struct RequestRule {
  std::string path_prefix{};  // By segments, as a route's.
  std::string header{};       // Any of its lines may fit.
  std::string cookie{};
  std::string query{};           // A parameter.
  std::optional<Cidr> client{};  // The client's address, trust resolved.
  std::vector<std::string> equals{};
  std::string matches{};
  friend bool operator==(const RequestRule&, const RequestRule&) = default;
};

// What rules are held against.
struct RequestFacts {
  const http::FieldList& fields;
  std::string_view query;  // http::Target::query.
  std::string_view path;   // Canonical (http/uri.hpp).
  const IpAddress& client;
};

// Users who are in a cohort by what they are, and not by lot. Rules are looked at in their order,
// and the first that counts and fits decides. A rule for the canary counts from `from_weight` on: a
// ring of users who join together. One for stable counts until the weight is 100 %, and has no
// `from_weight`: whoever it fits moves last. So a weight that grows adds rules for the canary and
// takes away those for stable, and nobody goes back.
struct Segment {
  RequestRule users{};
  Cohort cohort = Cohort::kCanary;
  BasisPoints from_weight{};
  friend bool operator==(const Segment&, const Segment&) = default;

  [[nodiscard]] bool counts_at(BasisPoints weight) const noexcept {
    return cohort == Cohort::kCanary ? weight >= from_weight
                                     : weight < BasisPoints(BasisPoints::kMax);
  }
};

// As `matches` does.
[[nodiscard]] bool contains_pattern(std::string_view value, std::string_view pattern) noexcept;
// The same of a pattern that stands for the whole value.
[[nodiscard]] bool equals_pattern(std::string_view value, std::string_view pattern) noexcept;

// "/api" and "/api/" fit /api, /api/ and /api/x, not /apix. `path` is canonical (http/uri.hpp).
[[nodiscard]] bool has_path_prefix(std::string_view path, std::string_view prefix) noexcept;

[[nodiscard]] bool fits(const RequestRule& rule, const RequestFacts& request) noexcept;
[[nodiscard]] bool fits_any(std::span<const RequestRule> rules,
                            const RequestFacts& request) noexcept;

// One property, and no more conditions than there may be.
[[nodiscard]] bool is_sound(const RequestRule& rule) noexcept;

// "header X-Country in DE, AT": as in the file, for people.
[[nodiscard]] std::string to_string(const RequestRule& rule);

}  // namespace canaryd::routing
