#include "store/pack.hpp"

#include "canaryd/base/hash.hpp"

#include <array>
#include <cstddef>

namespace canaryd::store {
namespace {

constexpr std::size_t kCheckBytes = 4;
constexpr unsigned kGroupBits = 7;
constexpr std::uint8_t kMore = 0x80;

// Small numbers of either sign become small unsigned ones.
std::uint64_t zigzag(std::int64_t value) noexcept {
  const auto bits = static_cast<std::uint64_t>(value);
  return (bits << 1U) ^ (value < 0 ? ~std::uint64_t{0} : 0);
}

std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>((value >> 1U) ^ ((value & 1U) != 0 ? ~std::uint64_t{0} : 0));
}

void append_number(std::string& out, std::uint64_t value) {
  while (value >= kMore) {
    out.push_back(static_cast<char>((value & 0x7fU) | kMore));
    value >>= kGroupBits;
  }
  out.push_back(static_cast<char>(value));
}

bool take_number(std::string_view& bytes, std::uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += kGroupBits) {
    const auto group = static_cast<std::uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    const std::uint64_t bits = group & 0x7fU;
    if (shift == 63 && bits > 1) return false;
    value |= bits << shift;
    if ((group & kMore) == 0) return true;
  }
  return false;
}

std::string check_value(const EvidenceRow& row, std::string_view packed) {
  std::string place = row.rollout;
  place.push_back('\0');
  append_number(place, row.run);
  append_number(place, row.index);
  append_number(place, static_cast<std::uint64_t>(row.kind));
  place.append(packed);
  std::uint64_t hash = siphash(HashKey{}, place);
  std::string result(kCheckBytes, '\0');
  for (char& byte : result) {
    byte = static_cast<char>(hash & 0xffU);
    hash >>= 8U;
  }
  return result;
}

}  // namespace

std::string pack_values(const EvidenceRow& row) {
  std::string packed;
  for (const std::int64_t value : row.values) append_number(packed, zigzag(value));
  return packed + check_value(row, packed);
}

Result<void> unpack_values(std::string_view bytes, EvidenceRow& row) {
  const auto damaged = [&row] {
    return fail(ErrorCode::kMalformed,
                "evidence row " + std::to_string(row.index) + " of run " + std::to_string(row.run) +
                    " of " + row.rollout + " is damaged");
  };
  if (bytes.size() < kCheckBytes) return damaged();
  std::string_view packed = bytes.substr(0, bytes.size() - kCheckBytes);
  if (bytes.substr(packed.size()) != check_value(row, packed)) return damaged();
  row.values.clear();
  while (!packed.empty()) {
    std::uint64_t value = 0;
    if (row.values.size() == kMaxValues || !take_number(packed, value)) return damaged();
    row.values.push_back(unzigzag(value));
  }
  return {};
}

}  // namespace canaryd::store
