#include "proxy/vote_body.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/http/chars.hpp"

namespace canaryd::proxy {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) noexcept : left_(text) {}

  [[nodiscard]] bool empty() const noexcept { return left_.empty(); }
  bool take(char wanted) noexcept {
    skip_blanks();
    if (left_.empty() || left_.front() != wanted) return false;
    left_.remove_prefix(1);
    return true;
  }
  void skip_blanks() noexcept {
    const std::size_t first = left_.find_first_not_of(" \t\r\n");
    left_.remove_prefix(first == std::string_view::npos ? left_.size() : first);
  }
  // Up to its closing quote, which is taken too; escapes stay as they are.
  bool take_quoted(std::string_view& inside) noexcept {
    if (!take('"')) return false;
    for (std::size_t i = 0; i < left_.size(); ++i) {
      if (left_[i] == '"') {
        inside = left_.substr(0, i);
        left_.remove_prefix(i + 1);
        return true;
      }
      if (static_cast<unsigned char>(left_[i]) < 0x20) return false;
      if (left_[i] == '\\') ++i;
    }
    return false;
  }
  bool take_score(unsigned& score) noexcept {
    skip_blanks();
    if (left_.empty() || left_.front() < '1' || left_.front() > '5') return false;
    score = static_cast<unsigned>(left_.front() - '0');
    left_.remove_prefix(1);
    return true;
  }

 private:
  std::string_view left_;
};

// The text of a string, decoded piece by piece.
class Text {
 public:
  Text(std::string_view inside, VoteBody& vote) noexcept : left_(inside), vote_(vote) {}

  VoteRead decode() noexcept {
    vote_.comment_size = 0;
    while (!left_.empty()) {
      const bool good = left_.front() == '\\' ? take_escape() : take_plain();
      if (!good) return VoteRead::kMalformed;
      if (too_long_) return VoteRead::kTooLong;
    }
    return VoteRead::kGood;
  }

 private:
  bool take_plain() noexcept {
    const std::size_t length = utf8_sequence_length(left_);
    if (length == 0) return false;
    put(left_.substr(0, length));
    left_.remove_prefix(length);
    return true;
  }

  bool take_escape() noexcept {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (left_.size() < 2) return false;
    const char name = left_[1];
    left_.remove_prefix(2);
    if (name == 'u') return take_code_point();
    const std::size_t at = kNames.find(name);
    if (at == std::string_view::npos) return false;
    put(kMeanings.substr(at, 1));
    return true;
  }

  bool take_unit(std::uint32_t& unit) noexcept {
    if (left_.size() < 4) return false;
    unit = 0;
    for (const char c : left_.substr(0, 4)) {
      const int digit = http::hex_digit(c);
      if (digit < 0) return false;
      unit = (unit << 4U) | static_cast<std::uint32_t>(digit);
    }
    left_.remove_prefix(4);
    return true;
  }

  // RFC 8259 section 7: beyond the basic plane as a pair of surrogates.
  bool take_code_point() noexcept {
    std::uint32_t point = 0;
    if (!take_unit(point) || point == 0) return false;
    if (point >= 0xdc00 && point <= 0xdfff) return false;
    if (point >= 0xd800 && point <= 0xdbff) {
      std::uint32_t low = 0;
      if (!left_.starts_with("\\u")) return false;
      left_.remove_prefix(2);
      if (!take_unit(low) || low < 0xdc00 || low > 0xdfff) return false;
      point = 0x10000 + ((point - 0xd800) << 10U) + (low - 0xdc00);
    }
    put_code_point(point);
    return true;
  }

  void put_code_point(std::uint32_t point) noexcept {
    std::array<char, 4> bytes{};
    std::size_t size = 0;
    const auto add = [&](std::uint32_t byte) { bytes[size++] = static_cast<char>(byte); };
    const auto add_tail = [&](unsigned shift) { add(0x80U | ((point >> shift) & 0x3fU)); };
    if (point < 0x80) {
      add(point);
    } else if (point < 0x800) {
      add(0xc0U | (point >> 6U));
      add_tail(0);
    } else if (point < 0x10000) {
      add(0xe0U | (point >> 12U));
      add_tail(6);
      add_tail(0);
    } else {
      add(0xf0U | (point >> 18U));
      add_tail(12);
      add_tail(6);
      add_tail(0);
    }
    put({bytes.data(), size});
  }

  void put(std::string_view bytes) noexcept {
    too_long_ = too_long_ || bytes.size() > vote_.comment.size() - vote_.comment_size;
    if (too_long_) return;
    bytes.copy(vote_.comment.data() + vote_.comment_size, bytes.size());
    vote_.comment_size += bytes.size();
  }

  std::string_view left_;
  VoteBody& vote_;
  bool too_long_ = false;
};

// A path needs no escapes.
bool read_page(Reader& in, VoteBody& vote) noexcept {
  return in.take_quoted(vote.page) && vote.page.starts_with('/') &&
         vote.page.find('\\') == std::string_view::npos;
}

}  // namespace

VoteRead read_vote(std::string_view body, VoteBody& vote) noexcept {
  Reader in(body);
  bool commented = false;
  bool paged = false;
  if (!in.take('{')) return VoteRead::kMalformed;
  do {
    std::string_view name;
    if (!in.take_quoted(name) || !in.take(':')) return VoteRead::kMalformed;
    if (name == "score" && vote.score == 0) {
      if (!in.take_score(vote.score)) return VoteRead::kMalformed;
    } else if (name == "comment" && !commented) {
      std::string_view inside;
      commented = in.take_quoted(inside);
      if (!commented) return VoteRead::kMalformed;
      const VoteRead decoded = Text(inside, vote).decode();
      if (decoded != VoteRead::kGood) return decoded;
    } else if (name == "path" && !paged) {
      paged = read_page(in, vote);
      if (!paged) return VoteRead::kMalformed;
    } else {
      return VoteRead::kMalformed;
    }
  } while (in.take(','));
  if (!in.take('}')) return VoteRead::kMalformed;
  in.skip_blanks();
  return in.empty() && vote.score != 0 ? VoteRead::kGood : VoteRead::kMalformed;
}

}  // namespace canaryd::proxy
