// The hash of the sticky key that was hashed last. Requests of one connection are mostly one
// user's, so that most need no second hash: the same bytes under the same salt mean the same.
// Thread rule: one owner. Bounds: a key of kBytesMax bytes; others are hashed each time.
#pragma once

#include "canaryd/base/hash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace canaryd::routing {

class KeyMemo {
 public:
  static constexpr std::size_t kBytesMin = 4;
  static constexpr std::size_t kBytesMax = 40;

  [[nodiscard]] std::uint64_t hash(const HashKey& salt, std::string_view text) noexcept {
    if (text.size() == size_ && salt.first == salt_.first && salt.second == salt_.second &&
        equal(text.data())) {
      return hash_;
    }
    const std::uint64_t fresh = siphash(salt, text);
    if (text.size() < kBytesMin || text.size() > kBytesMax) return fresh;
    salt_ = salt;
    size_ = text.size();
    std::memcpy(text_.data(), text.data(), size_);
    return hash_ = fresh;
  }

 private:
  // Words that overlap.
  template <class Word>
  [[nodiscard]] bool equal_by(const char* text) const noexcept {
    const std::size_t last = size_ - sizeof(Word);
    for (std::size_t at = 0; at < last; at += sizeof(Word)) {
      if (std::memcmp(text + at, text_.data() + at, sizeof(Word)) != 0) return false;
    }
    return std::memcmp(text + last, text_.data() + last, sizeof(Word)) == 0;
  }
  [[nodiscard]] bool equal(const char* text) const noexcept {
    return size_ < 8 ? equal_by<std::uint32_t>(text) : equal_by<std::uint64_t>(text);
  }

  HashKey salt_;
  std::uint64_t hash_ = 0;
  std::size_t size_ = 0;  // 0: none.
  std::array<char, kBytesMax> text_{};
};

}  // namespace canaryd::routing
