// The field table: every key of the file, once. It drives load(), the defaults, the dump, the JSON
// Schema and docs/config.md.
#pragma once

#include "canaryd/config/config.hpp"
#include "config/section.hpp"

namespace canaryd::config {

[[nodiscard]] const Section<Config>& root_section();
[[nodiscard]] const Section<Admin>& admin_section();
[[nodiscard]] const Section<Listener>& listener_section();
[[nodiscard]] const Section<Upstream>& upstream_section();
[[nodiscard]] const Section<HealthCheck>& health_section();
[[nodiscard]] const Section<OutlierDetection>& outlier_section();
[[nodiscard]] const Section<Rollout>& rollout_section();
[[nodiscard]] const Section<Route>& route_section();
[[nodiscard]] const Section<Mirror>& mirror_section();
[[nodiscard]] const Section<Parity>& parity_section();
// fields_route_rules.cpp
[[nodiscard]] const Section<Rewrite>& rewrite_section();
[[nodiscard]] const Section<Respond>& respond_section();
[[nodiscard]] const Section<Deprecation>& deprecation_section();
[[nodiscard]] const Section<Migration>& migration_section();
[[nodiscard]] const Section<analysis::Settings>& analysis_section();
// fields_request_rule.cpp
[[nodiscard]] Codec<std::vector<routing::RequestRule>> exclusions();
[[nodiscard]] Codec<std::vector<routing::Segment>> segments();
[[nodiscard]] const Section<analysis::Limits>& analysis_limits_section();
// With the exclusions and queries, which are no part of the Settings.
[[nodiscard]] const Section<Rollout>& judging_section();
[[nodiscard]] const Section<Fallback>& fallback_section();
[[nodiscard]] const Section<Circuit>& circuit_section();
[[nodiscard]] const Section<Exposure>& exposure_section();

// A list of at least one, and what stands in its place: fields_endpoints.cpp.
[[nodiscard]] Codec<std::vector<Endpoint>> endpoint_list();
[[nodiscard]] Codec<Upstream> upstream_endpoints();

// fields_calendar.cpp: keys of a rollout that say when it begins, and what a step waits for beside
// the evidence.
void add_start(Section<Rollout>& s);
void add_waits(Section<Rollout>& s);
[[nodiscard]] Codec<rollout::Step> step_gate();

[[nodiscard]] Codec<std::vector<Hook>> hook_list();
[[nodiscard]] const Section<Retire>& retire_section();
// fields_watch.cpp
[[nodiscard]] Codec<std::vector<analysis::Watch>> watches();

// Text rules that several sections use.
[[nodiscard]] TextRule header_name_rule();
[[nodiscard]] TextRule cookie_name_rule();
[[nodiscard]] TextRule path_rule();
[[nodiscard]] TextRule host_rule();

// A section whose shape in the file differs from the struct: read into Raw, then converted. `to`
// reports what does not fit and returns false.
template <class Raw, class V>
[[nodiscard]] Codec<V> through(const Section<Raw>& raw_section,
                               bool (*to)(Reader&, const Node&, const Raw&, V&),
                               Raw (*from)(const V&)) {
  Codec<V> codec;
  codec.shape = section(raw_section).shape;
  codec.read = [&raw_section, to](Reader& in, const Node& node, V& out) {
    Raw raw{};
    return raw_section.read(in, node, raw) && to(in, node, raw, out);
  };
  codec.write = [&raw_section, from](const V& value, const Names& names) {
    return std::optional(raw_section.write(from(value), names));
  };
  return codec;
}

// For fields that are bound to the section's struct as a whole.
struct Whole {
  template <class T>
  T& operator()(T& value) const noexcept {
    return value;
  }
};

}  // namespace canaryd::config
