// What the admin API shows of a rollout's read parity (docs/interfaces.md section 3). Plain value;
// part of backend.hpp, where the units are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::control {

struct ParityView {
  std::string state;  // "gathering", "shown", "different".
  double max_diff = 0;
  std::uint64_t min_requests = 0;
  struct Figures {
    std::uint64_t compared = 0;
    std::uint64_t different = 0;
  };
  std::optional<Figures> concluded;             // What the state was concluded from.
  Figures now;                                  // Of the comparison under way.
  double evidence = 0;                          // Towards `shown`, 0..1.
  std::optional<std::uint64_t> needs_requests;  // About so many more; empty: cannot be said.
  // Since it is watched.
  std::uint64_t learnt_from = 0;   // Reads that only taught what is noise.
  std::uint64_t not_compared = 0;  // Too long, broken off, or too different to be listed.
  std::uint64_t unanswered = 0;    // By stable.
  std::uint64_t busy = 0;          // Not asked again, because something was scarce.
  // Where the answers differ, never values; the most frequent first, bounded.
  struct Field {
    std::string kind;  // "status", "media_type", "header", "body", "value", "type", "presence", ...
    std::string field;         // Of JSON its path; of a header its name.
    std::string path;          // Of the requests, with "{id}" for ids.
    std::uint64_t canary = 0;  // Reads in which only the canary differed there, lately,
    std::uint64_t stable = 0;  // and in which stable differed from itself.
  };
  std::vector<Field> fields;  // What makes `different`.
  std::vector<Field> noise;   // What stable itself changes; it does not count.
};

}  // namespace canaryd::control
