// Rollouts: what protects users before any verdict.
#include "config/fields.hpp"

namespace canaryd::config {

using namespace std::chrono_literals;

const Section<Fallback>& fallback_section() {
  static const auto made = [] {
    Section<Fallback> s("Fallback");
    s.add("methods",
          &Fallback::methods,
          list_of(choice(kRepeatableMethods), 0, kRepeatableMethods.size()),
          "Requests that stable answers when the canary fails them; an empty list: none.");
    s.add("max_body",
          &Fallback::max_body,
          size(0, 192 * 1024),
          "Only with a body of at most this; it is held until the canary has answered.");
    return s;
  }();
  return made;
}

const Section<Circuit>& circuit_section() {
  static const auto made = [] {
    Section<Circuit> s("Circuit");
    s.add("consecutive_failures",
          &Circuit::consecutive_failures,
          integer(0, 10'000),
          "So many failures of the canary without a success between suspend it; `0`: never.");
    s.add("open_for",
          &Circuit::open_for,
          duration(0s, 1h),
          "How long a suspended canary is left alone before single requests probe it.");
    s.add("probes_failed",
          &Circuit::probes_failed,
          integer(1, 1000),
          "So many failed probes in a row roll back, more while stable fails too; 5 good ones in a "
          "row resume.");
    s.add("max_trips",
          &Circuit::max_trips,
          integer(0, 1000),
          "So many suspensions within 10 minutes roll back, good probes or not: a canary that "
          "fails under load answers single requests well. `0`: any number.");
    return s;
  }();
  return made;
}

const Section<Exposure>& exposure_section() {
  static const auto made = [] {
    Section<Exposure> s("Exposure");
    s.add("max_failed_requests",
          &Exposure::max_failed_requests,
          optional(integer(0, 1'000'000)),
          "So many failures of the canary may reach users over the whole rollout; one more rolls "
          "back. `0`: the first one does.")
        .default_note = "no limit";
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
