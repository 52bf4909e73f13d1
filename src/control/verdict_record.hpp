// The verdict in force at a transition, as the journal keeps it (store::JournalEntry::evidence), so
// that it can be made again from the rows of evidence and compared bit for bit.
//
// One line of JSON with a version; what older versions wrote there is a plain sentence. The text
// comes back from disk and is checked like any other input. Pure.
#pragma once

#include "canaryd/base/error.hpp"
#include "control/evidence.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::control {

struct VerdictRecord {
  struct Figure {
    std::string name;
    std::string exact;  // Hexadecimal floating point: equal texts are equal bits.
    double value = 0;   // Not read back.
  };

  std::string text;        // For people: the evidence that came with the event.
  std::uint64_t run = 0;   // Of the evidence; 0: there was none yet, and nothing below is set.
  std::uint64_t rows = 0;  // Those with a smaller index are what the verdict is made of.
  std::string decision;
  std::string reason;
  std::vector<Figure> figures;
};

// `text` without figures: of an event before any evidence.
[[nodiscard]] VerdictRecord record_of(std::string text);
[[nodiscard]] VerdictRecord record_of(std::string text, const Evidence& evidence);

[[nodiscard]] std::string serialise(const VerdictRecord& record);
// kUnsupported: written by an older or a later version, which the context says. kMalformed.
[[nodiscard]] Result<VerdictRecord> read_record(std::string_view text);
// VerdictRecord::text, whichever version wrote it.
[[nodiscard]] std::string text_of_record(std::string_view text);

}  // namespace canaryd::control
