#include "http/sha1.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace canaryd::http::detail {
namespace {

constexpr std::size_t kBlockBytes = 64;
constexpr std::size_t kLengthBytes = 8;  // At the end of the last block: of the text, in bits.

using Block = std::array<std::uint8_t, kBlockBytes>;
using State = std::array<std::uint32_t, 5>;

std::uint32_t mix(std::size_t round, const State& s) noexcept {
  switch (round / 20) {
    case 0:
      return ((s[1] & s[2]) | (~s[1] & s[3])) + 0x5a827999U;
    case 1:
      return (s[1] ^ s[2] ^ s[3]) + 0x6ed9eba1U;
    case 2:
      return ((s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3])) + 0x8f1bbcdcU;
    default:
      return (s[1] ^ s[2] ^ s[3]) + 0xca62c1d6U;
  }
}

void add_block(State& state, const Block& block) noexcept {
  std::array<std::uint32_t, 80> words{};
  for (std::size_t i = 0; i < kBlockBytes; ++i) words[i / 4] = words[i / 4] << 8U | block[i];
  for (std::size_t i = 16; i < words.size(); ++i) {
    words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  State s = state;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint32_t next = std::rotl(s[0], 5) + mix(i, s) + s[4] + words[i];
    s = {next, s[0], std::rotl(s[1], 30), s[2], s[3]};
  }
  for (std::size_t i = 0; i < state.size(); ++i) state[i] += s[i];
}

}  // namespace

Sha1 sha1(std::string_view text) noexcept {
  State state{0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U, 0xc3d2e1f0U};
  const std::uint64_t bits = std::uint64_t{8} * text.size();
  bool marked = false;  // One 1 bit stands behind the text.
  for (bool last = false; !last;) {
    Block block{};
    const std::size_t size = std::min(text.size(), kBlockBytes);
    std::copy_n(text.begin(), size, block.begin());
    text.remove_prefix(size);
    if (size < kBlockBytes && !marked) block[size] = 0x80;
    marked = marked || size < kBlockBytes;
    last = size < kBlockBytes - kLengthBytes;
    for (std::size_t i = 0; last && i < kLengthBytes; ++i) {
      block[kBlockBytes - 1 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
    }
    add_block(state, block);
  }
  Sha1 digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(state[i / 4] >> (8 * (3 - i % 4)));
  }
  return digest;
}

}  // namespace canaryd::http::detail
