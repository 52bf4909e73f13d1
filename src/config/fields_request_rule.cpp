// Rollouts: which requests are no evidence, and which users are in a cohort by what they are.
#include "canaryd/routing/request_rule.hpp"
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

// One that says nothing but "anything" is a slip.
bool is_pattern(std::string_view text) {
  return is_printable(text) && text.find_first_not_of('*') != std::string_view::npos;
}

TextRule value_rule() {
  return {"printable text", "", is_printable, routing::kEqualsBytesMax};
}

struct RawRule {
  std::optional<std::string> path_prefix;
  std::optional<std::string> header;
  std::optional<std::string> cookie;
  std::optional<std::string> query;
  std::optional<Cidr> client;
  std::optional<std::string> equals;
  std::vector<std::string> in;
  std::optional<std::string> matches;
};

const Section<RawRule>& rule_section() {
  static const auto made = [] {
    Section<RawRule> s("Request rule");
    s.add("path_prefix",
          &RawRule::path_prefix,
          optional(text(path_rule())),
          "Leading segments of the path, as in a route. Exactly one of this and the next four.");
    s.add("header",
          &RawRule::header,
          optional(text(header_name_rule())),
          "A header that the request has.");
    s.add("cookie",
          &RawRule::cookie,
          optional(text(cookie_name_rule())),
          "A cookie that the request has, not empty.");
    s.add(
        "query",
        &RawRule::query,
        optional(text({"a parameter name", "", is_printable, 128})),
        "A parameter that its query has, not empty. It is compared decoded: `+` is a space, `%40` "
        "is `@`.");
    s.add(
        "client",
        &RawRule::client,
        optional(network()),
        "The network that the client is in (behind `trusted_proxies`, by the forwarded address).");
    s.add("equals",
          &RawRule::equals,
          optional(text(value_rule())),
          "The whole value of that header, cookie or parameter. Without this, `in` and `matches` "
          "it is "
          "enough that there is one.");
    s.add("in",
          &RawRule::in,
          list_of(text(value_rule()), 1, routing::kEqualsMax),
          "Values, of which it has one.")
        .default_value.reset();
    s.add(
        "matches",
        &RawRule::matches,
        optional(text(
            {"printable text with more in it than *", "", is_pattern, routing::kPatternBytesMax})),
        "Text in its value, whatever the case; `*` stands for anything.");
    return s;
  }();
  return made;
}

bool to_rule(Reader& in, const Node& node, const RawRule& raw, routing::RequestRule& out) {
  const bool has_value = raw.header || raw.cookie || raw.query;
  const int given = int{raw.path_prefix.has_value()} + int{raw.header.has_value()} +
                    int{raw.cookie.has_value()} + int{raw.query.has_value()} +
                    int{raw.client.has_value()};
  if (given != 1) {
    return in.error(node, "expected one of path_prefix, header, cookie, query and client");
  }
  if (!has_value && (raw.equals || !raw.in.empty() || raw.matches)) {
    return in.error(node, "equals, in and matches are for the value of a header, cookie or query");
  }
  if (raw.equals && !raw.in.empty()) return in.error(node, "equals and in exclude each other");
  out = {raw.path_prefix.value_or(""),
         raw.header.value_or(""),
         raw.cookie.value_or(""),
         raw.query.value_or(""),
         raw.client,
         raw.equals ? std::vector{*raw.equals} : raw.in,
         raw.matches.value_or("")};
  return true;
}

RawRule from_rule(const routing::RequestRule& rule) {
  const auto given = [](const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
  };
  RawRule raw{given(rule.path_prefix),
              given(rule.header),
              given(rule.cookie),
              given(rule.query),
              rule.client,
              {},
              {},
              given(rule.matches)};
  if (rule.equals.size() == 1) {
    raw.equals = rule.equals.front();
  } else {
    raw.in = rule.equals;
  }
  return raw;
}

struct RawSegment {
  RawRule users;
  Cohort cohort = Cohort::kCanary;
  std::optional<BasisPoints> from_weight;
};

const Section<RawSegment>& segment_section() {
  static const auto made = [] {
    Section<RawSegment> s("Segment");
    s.include(&RawSegment::users, rule_section());
    s.add("from_weight",
          &RawSegment::from_weight,
          optional(weight()),
          "The rule counts from this weight of the rollout on, which makes it a ring.")
        .default_note = "the first step's";
    s.add("cohort",
          &RawSegment::cohort,
          choice(kSegmentCohorts),
          "`stable`: these users stay there until the weight is 100.");
    return s;
  }();
  return made;
}

bool to_segment(Reader& in, const Node& node, const RawSegment& raw, routing::Segment& out) {
  out.cohort = raw.cohort;
  out.from_weight = raw.from_weight.value_or(BasisPoints());
  if (!to_rule(in, node, raw.users, out.users)) return false;
  if (raw.cohort == Cohort::kStable && raw.from_weight) {
    return in.error(node,
                    "from_weight is for the canary: while the weight grows nobody goes back to "
                    "stable");
  }
  return true;
}

RawSegment from_segment(const routing::Segment& segment) {
  RawSegment raw{from_rule(segment.users), segment.cohort, {}};
  if (segment.from_weight > BasisPoints()) raw.from_weight = segment.from_weight;
  return raw;
}

}  // namespace

Codec<std::vector<routing::RequestRule>> exclusions() {
  return list_of(through<RawRule, routing::RequestRule>(rule_section(), to_rule, from_rule),
                 0,
                 routing::kRequestRulesMax);
}

Codec<std::vector<routing::Segment>> segments() {
  return list_of(through<RawSegment, routing::Segment>(segment_section(), to_segment, from_segment),
                 0,
                 routing::kRequestRulesMax);
}

}  // namespace canaryd::config
