// What the state file holds: the state of a rollout, a line of JSON, and the rows of its evidence,
// here as plain numbers. Each is read or refused; what is read comes out again as it was written,
// and whatever the rows say, the verdict can be computed.
#include "canaryd/base/error.hpp"
#include "canaryd/rollout/state.hpp"
#include "canaryd/store/store.hpp"
#include "control/evidence_rows.hpp"
#include "control/recompute.hpp"
#include "fuzz/fuzz_target.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace canaryd;

namespace {

void check_state(std::string_view text) {
  const auto state = rollout::parse_state(text);
  if (!state) {
    CANARYD_ASSERT(!state.error().context.empty());
    return;
  }
  const auto again = rollout::parse_state(rollout::serialise(*state));
  CANARYD_ASSERT(again && *again == *state);
  CANARYD_ASSERT(state->weight.value() <= BasisPoints::kMax);
  CANARYD_ASSERT(rollout::served_weight(*state).value() <= BasisPoints::kMax);
}

// Numbers in base 128, the lowest group first; small ones of either sign are one byte.
std::int64_t take_number(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto group = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(group & 0x7fU) << shift;
    if (group < 0x80) break;
  }
  return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1));
}

// A row: its kind, how many numbers, and these.
std::vector<store::EvidenceRow> rows_of(std::string_view bytes) {
  std::vector<store::EvidenceRow> rows;
  while (!bytes.empty() && rows.size() < 64) {
    store::EvidenceRow row;
    row.rollout = "shop";
    row.run = 1;
    row.index = rows.size();
    row.kind = static_cast<store::EvidenceKind>(static_cast<unsigned char>(bytes.front()) % 3);
    bytes.remove_prefix(1);
    const auto count = static_cast<std::uint64_t>(take_number(bytes)) % 512;
    for (std::uint64_t i = 0; i < count && !bytes.empty(); ++i) {
      row.values.push_back(take_number(bytes));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void check_row(const store::EvidenceRow& row) {
  const auto settings = control::read_settings(row.values, {});
  if (settings) {
    const auto again = control::read_settings(control::settings_values(*settings), {});
    CANARYD_ASSERT(again &&
                   control::settings_values(*again) == control::settings_values(*settings));
  }
  const auto block = control::read_block(row.values);
  if (block) {
    const auto values = control::block_values(*block, true);
    const auto again = control::read_block(values);
    CANARYD_ASSERT(again && control::block_values(*again, true) == values);
  }
}

void check_rows(const std::vector<store::EvidenceRow>& rows) {
  for (const store::EvidenceRow& row : rows) check_row(row);
  control::Recomputation recomputation("shop", 1, rows.size(), {});
  if (!recomputation.feed(rows) || recomputation.empty() || recomputation.missing()) return;
  const control::VerdictRecord verdict = recomputation.verdict({});
  static_cast<void>(verdict);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  if (bytes.starts_with('{')) {
    check_state(bytes);
  } else {
    check_rows(rows_of(bytes));
  }
  return 0;
}
