// Routes: copies of requests for another upstream.
#include "config/fields.hpp"

namespace canaryd::config {

using namespace std::chrono_literals;

const Section<Mirror>& mirror_section() {
  static const auto made = [] {
    constexpr std::uint64_t kBodyMost = std::uint64_t{1024} * 1024;
    Section<Mirror> s("Mirror");
    s.require("to", &Mirror::to, upstream_reference(), "The upstream that gets the copies.");
    s.add("percent",
          &Mirror::percent,
          weight(),
          "Share of the sticky keys, without a rollout of the request ids, whose requests are "
          "copied; which ones has nothing to do with who is in the canary.");
    s.add("methods",
          &Mirror::methods,
          list_of(choice(kMirrorMethods), 1, kMirrorMethods.size()),
          "Requests that are copied. Those of the other methods change something at `to` as well: "
          "list them only if that does no harm.");
    s.add("max_body",
          &Mirror::max_body,
          size(0, kBodyMost),
          "Only with a body of at most this, its framing included; it is held until the request "
          "has been forwarded.");
    s.add("timeout",
          &Mirror::timeout,
          duration(1ms, 10min),
          "For a copy and its answer, connecting included.");
    s.unsupported({"compare"});
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
