// Rollouts: cohort, steps; their gates and freezes are in fields_calendar.cpp.
#include "config/fields.hpp"

#include <algorithm>
#include <charconv>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

// ---------------------------------------------------------------- cohort

struct RawKey {
  std::optional<std::string> header;
  std::optional<std::string> cookie;
  std::optional<std::string> query;
  bool client_ip = false;
  bool per_request = false;
};

const Section<RawKey>& key_section() {
  static const auto made = [] {
    Section<RawKey> s("Cohort key");
    s.add(
        "header", &RawKey::header, optional(text(header_name_rule())), "The value of this header.");
    s.add(
        "cookie", &RawKey::cookie, optional(text(cookie_name_rule())), "The value of this cookie.");
    s.add("query",
          &RawKey::query,
          optional(text({"a parameter name", "", is_printable, 128})),
          "The value of this query parameter, decoded (`+` is a space, `%40` is `@`), its first "
          "1024 bytes.");
    s.add("client_ip",
          &RawKey::client_ip,
          boolean(),
          "`true`: the client's address (behind `trusted_proxies`, the forwarded one).")
        .default_value.reset();
    s.add("per_request",
          &RawKey::per_request,
          boolean(),
          "`true`: chance, for each request anew; a user then meets both versions.")
        .default_value.reset();
    return s;
  }();
  return made;
}

bool to_key(Reader& in, const Node& node, const RawKey& raw, CohortKey& out) {
  const int given = int{raw.header.has_value()} + int{raw.cookie.has_value()} +
                    int{raw.query.has_value()} + int{raw.client_ip} + int{raw.per_request};
  if (given != 1 || node.entries.size() != 1) {
    return in.error(node,
                    "expected one of header, cookie, query, client_ip: true or per_request: true");
  }
  if (raw.header) out = {KeySource::kHeader, *raw.header};
  if (raw.cookie) out = {KeySource::kCookie, *raw.cookie};
  if (raw.query) out = {KeySource::kQuery, *raw.query};
  if (raw.client_ip) out = {KeySource::kClientIp, {}};
  if (raw.per_request) out = {KeySource::kPerRequest, {}};
  return true;
}

// Written by hand: only the one key that is set, so that "client_ip: false" is not printed beside
// it.
std::optional<Node> write_key(const CohortKey& key, const Names& /*names*/) {
  Node node = Node::map();
  switch (key.source) {
    case KeySource::kHeader:
      node.add("header", Node::string(key.name));
      break;
    case KeySource::kCookie:
      node.add("cookie", Node::string(key.name));
      break;
    case KeySource::kQuery:
      node.add("query", Node::string(key.name));
      break;
    case KeySource::kPerRequest:
      node.add("per_request", Node::literal("true"));
      break;
    default:
      node.add("client_ip", Node::literal("true"));
  }
  return node;
}

Codec<CohortKey> cohort_key() {
  Codec<CohortKey> codec =
      through<RawKey, CohortKey>(key_section(), to_key, [](const CohortKey&) { return RawKey{}; });
  codec.write = write_key;
  return codec;
}

const Section<IssueCookie>& issue_cookie_section() {
  static const auto made = [] {
    Section<IssueCookie> s("Issued cookie");
    s.require("name",
              &IssueCookie::name,
              text(cookie_name_rule()),
              "Name of the cookie; it must be the last of the `keys`.");
    s.add("max_age", &IssueCookie::max_age, duration(1s, 400 * kDay), "How long browsers keep it.");
    s.add("same_site", &IssueCookie::same_site, choice(kSameSites), "Its SameSite attribute.");
    s.add("secure",
          &IssueCookie::secure,
          choice(kCookieSecures),
          "Its Secure attribute; `auto`: when the client's connection is, as a trusted proxy says "
          "in X-Forwarded-Proto.");
    return s;
  }();
  return made;
}

const Section<Force>& force_section() {
  static const auto made = [] {
    Section<Force> s("Force");
    s.require(
        "header",
        &Force::header,
        text(header_name_rule()),
        "Header whose value `always` or `never` sends a request to or keeps it from the canary; "
        "such requests stay out of the analysis.");
    s.add("trusted_only",
          &Force::trusted_only,
          boolean(),
          "Obey it only from `trusted_proxies` of the listener.");
    return s;
  }();
  return made;
}

const Section<CohortRules>& cohort_section() {
  static const auto made = [] {
    Section<CohortRules> s("Cohort");
    s.add("keys",
          &CohortRules::keys,
          list_of(cohort_key(), 1, 16),
          "What a user is known by; the first key that a request has, wins.");
    s.add("issue_cookie",
          &CohortRules::issue_cookie,
          optional(section(issue_cookie_section())),
          "Give a cookie to users who have none of the keys.");
    s.add("salt",
          &CohortRules::salt,
          text({"printable text", "", is_printable, rollout::kMaxText}),
          "Rollouts with equal salt pick the same users.")
        .default_note = "the rollout's name";
    s.add("force",
          &CohortRules::force,
          optional(section(force_section())),
          "Let a header choose the cohort, for tests.");
    s.add("follow",
          &CohortRules::follow,
          name(),
          "Name of a rollout further up: whoever is its canary is canary here too, as "
          "`X-Canaryd-Cohort` and `X-Canaryd-Rollout` from `trusted_proxies` say; such requests "
          "stay out of the analysis.")
        .default_note = "none";
    s.add("segments",
          &CohortRules::segments,
          segments(),
          "Users whose cohort does not depend on chance: employees, a country, a tenant. The first "
          "rule that counts and fits, wins; such requests stay out of the analysis.");
    return s;
  }();
  return made;
}

// ---------------------------------------------------------------- steps

const Section<rollout::Step>& step_section() {
  static const auto made = [] {
    using rollout::Step;
    Section<Step> s("Step");
    s.require("weight", &Step::weight, weight(), "The canary's share of the users.");
    s.add("min_duration",
          &Step::min_duration,
          duration(0s, 1000 * kDay),
          "At least this long; `0s`: as fast as the evidence allows.");
    s.add("min_requests",
          &Step::min_requests,
          integer(0, 1'000'000'000'000),
          "At least this many canary requests within the step.");
    s.add("max_duration",
          &Step::max_duration,
          duration(1s, 1000 * kDay),
          "Without a verdict for this long, `on_inconclusive` happens.");
    s.add("gate",
          Whole{},
          step_gate(),
          "Wait for `canaryctl approve ROLLOUT GATE` before leaving the step.");
    return s;
  }();
  return made;
}

const Section<rollout::Bake>& bake_section() {
  static const auto made = [] {
    Section<rollout::Bake> s("Bake");
    s.add("duration",
          &rollout::Bake::duration,
          duration(0s, 1000 * kDay),
          "After the last step: stable is kept warm and rollback armed for this long.");
    s.add("holdback",
          &rollout::Bake::holdback,
          weight(BasisPoints(0)),
          "So much of the users stays on stable from the last step to the end of the bake, as what "
          "the canary is compared with; then they follow.");
    return s;
  }();
  return made;
}

}  // namespace

const Section<Rollout>& rollout_section() {
  static const auto made = [] {
    const auto plan = [](auto member) {
      return [member](Rollout & rollout) -> auto& {
        return rollout.plan.*member;
      };
    };
    using rollout::Plan;
    Section<Rollout> s("Rollout");
    s.require("stable", &Rollout::stable, upstream_reference(), "The version that serves today.");
    s.require(
        "canary", &Rollout::canary, upstream_reference(), "The version that is to take over.");
    s.add("revision",
          plan(&Plan::revision),
          text({"printable text", "", is_printable, rollout::kMaxText}),
          "What is being rolled out; a new value starts a new rollout with fresh evidence.");
    add_start(s);
    s.add("cohort", &Rollout::cohort, section(cohort_section()), "Who is in the canary.");
    s.add("steps",
          plan(&Plan::steps),
          list_of(section(step_section()), 1, rollout::kMaxSteps),
          "The way to the last weight; weights rise.");
    s.add("analysis", Whole{}, section(judging_section()), "When the canary is good or bad.");
    s.add("fallback",
          &Rollout::fallback,
          section(fallback_section()),
          "A request that the canary fails is answered by stable, where that is safe; it is the "
          "canary's failure all the same.");
    s.add("circuit",
          &Rollout::circuit,
          section(circuit_section()),
          "What takes a failing canary out of use at once, before any verdict.");
    s.add("exposure",
          &Rollout::exposure,
          section(exposure_section()),
          "A limit on the failures of the canary that users see: what fallback saves is none.");
    s.add("on_failure", plan(&Plan::on_failure), choice(kOnFailures), "What a bad verdict does.");
    s.add("on_inconclusive",
          plan(&Plan::on_inconclusive),
          choice(kOnInconclusives),
          "What happens at `max_duration`; never `promote` when there was no data.");
    s.add(
        "on_stable_down",
        plan(&Plan::on_stable_down),
        choice(kOnStableDowns),
        "While stable has no healthy endpoint: its users wait (503), or everybody goes to a canary "
        "that is well.");
    s.add("bake", plan(&Plan::bake), section(bake_section()), "After the last step.");
    s.add("expected_rps",
          &Rollout::expected_rps,
          optional(number(0.001, 1e7)),
          "Requests a second, of both versions together: `validate` says how long the steps take, "
          "and warns of those that cannot end in time; `canaryd simulate` begins from it.");
    s.add("expected_error_rate",
          &Rollout::expected_error_rate,
          optional(percent(0, 100)),
          "The percentage of stable's requests that fail on an ordinary day, for the same.");
    add_waits(s);
    s.add("retire",
          &Rollout::retire,
          optional(section(retire_section())),
          "When a promoted rollout gives up its stable version.")
        .default_note = "never";
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
