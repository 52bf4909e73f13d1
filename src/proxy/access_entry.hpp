// An access record with the text that no one else keeps for it, and one that outlives its exchange.
#pragma once

#include "canaryd/net/address.hpp"
#include "canaryd/telemetry/access_record.hpp"

#include <array>
#include <string>

namespace canaryd::proxy {

// Views into itself: it stays where it was made.
struct AccessEntry {
  AccessEntry() noexcept {}  // NOLINT(cppcoreguidelines-pro-type-member-init): filled when used.
  AccessEntry(const AccessEntry&) = delete;
  AccessEntry& operator=(const AccessEntry&) = delete;

  telemetry::AccessRecord record;
  std::array<char, net::kIpTextMax> client;
};

// For a tunnel, which gives away the block that its request lies in, and whose listener's
// specification a reload replaces: copies what came from there. The other texts are in the table,
// which its exchange pins.
class KeptAccessEntry {
 public:
  explicit KeptAccessEntry(const AccessEntry& entry);
  KeptAccessEntry(const KeptAccessEntry&) = delete;
  KeptAccessEntry& operator=(const KeptAccessEntry&) = delete;

  [[nodiscard]] telemetry::AccessRecord& record() noexcept { return record_; }

 private:
  telemetry::AccessRecord record_;
  std::string texts_;
};

}  // namespace canaryd::proxy
