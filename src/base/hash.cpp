#include "canaryd/base/hash.hpp"

#include <bit>
#include <cstddef>
#include <cstring>

namespace canaryd {
namespace {

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() noexcept {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void absorb(std::uint64_t word) noexcept {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

// Little-endian whatever the host, because the result must be the same everywhere.
template <typename Word>
std::uint64_t load_le(const char* bytes) noexcept {
  Word word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&word, bytes, sizeof word);
  } else {
    for (std::size_t i = sizeof word; i > 0; --i) {
      word = static_cast<Word>((word << 7U << 1U) | static_cast<unsigned char>(bytes[i - 1]));
    }
  }
  return word;
}

// The last 0 to 7 bytes of the text, without a loop: words that overlap.
std::uint64_t load_tail(std::string_view text) noexcept {
  const std::size_t count = text.size() % 8;
  if (count == 0) return 0;
  const char* const end = text.data() + text.size();
  if (text.size() >= 8) return load_le<std::uint64_t>(end - 8) >> (64 - 8 * count);
  const char* const bytes = text.data();
  if (count >= 4) {
    return load_le<std::uint32_t>(bytes) | load_le<std::uint32_t>(end - 4) << (8 * count - 32);
  }
  return load_le<std::uint8_t>(bytes) | load_le<std::uint8_t>(bytes + count / 2) << count / 2 * 8 |
         load_le<std::uint8_t>(end - 1) << (8 * count - 8);
}

}  // namespace

std::uint64_t siphash(HashKey key, std::string_view text) noexcept {
  SipState state{key.first ^ 0x736f6d6570736575U,
                 key.second ^ 0x646f72616e646f6dU,
                 key.first ^ 0x6c7967656e657261U,
                 key.second ^ 0x7465646279746573U};
  const std::size_t whole = text.size() / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    state.absorb(load_le<std::uint64_t>(text.data() + i));
  }
  state.absorb(static_cast<std::uint64_t>(text.size()) << 56U | load_tail(text));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

HashKey key_from_salt(std::string_view salt) noexcept {
  return {siphash({0, 0}, salt), siphash({0, 1}, salt)};
}

}  // namespace canaryd
