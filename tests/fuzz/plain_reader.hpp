// The next server, as liberal as they come: the second opinion of the differential oracles.
//
// It ends lines at CR, LF or NUL, joins folded lines, trims all that is not visible, takes any
// length and any chunk size for what it begins with. What we accept and what we send must read the
// same to it as to our strict parser: then no server between the two can be led astray. Written
// without the http room, and without care for speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::fuzz {

struct PlainField {
  std::string name;  // As written.
  std::string value;
  friend bool operator==(const PlainField&, const PlainField&) = default;
};
using PlainFields = std::vector<PlainField>;

struct PlainHead {
  std::vector<std::string> words;  // Of the first line.
  PlainFields fields;
  std::size_t size = 0;   // Bytes up to the end of the empty line.
  bool complete = false;  // There was one.
};

struct PlainBody {
  std::string data;
  PlainFields trailers;
  std::size_t size = 0;
  bool complete = false;
};

inline std::string lower_text(std::string_view text) {
  std::string small(text);
  for (char& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return small;
}

// How servers that turn fields into variables know a name.
inline std::string variable_name(std::string_view name) {
  std::string small = lower_text(name);
  for (char& c : small) c = c == '_' ? '-' : c;
  return small;
}

inline bool is_blank(char c) {
  return static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
}

inline std::string_view trim_all(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

class PlainReader {
 public:
  explicit PlainReader(std::string_view text) : text_(text) {}

  [[nodiscard]] PlainHead head() {
    PlainHead head;
    std::string_view line;
    do {
      if (!next_line(line)) return head;
    } while (line.empty());
    head.words = split_blanks(line);
    head.complete = fields(head.fields);
    head.size = at_;
    return head;
  }

  [[nodiscard]] PlainBody chunks() {
    PlainBody body;
    std::string_view line;
    while (next_line(line)) {
      const std::uint64_t size = leading_hex(line);
      if (size == 0) {
        body.complete = fields(body.trailers);
        break;
      }
      if (size > text_.size() - at_) break;
      body.data += text_.substr(at_, static_cast<std::size_t>(size));
      at_ += static_cast<std::size_t>(size);
      if (!next_line(line) || !line.empty()) break;
    }
    body.size = at_;
    return body;
  }

 private:
  bool next_line(std::string_view& line) {
    const std::size_t end = text_.find_first_of(std::string_view("\r\n\0", 3), at_);
    if (end == std::string_view::npos) return false;
    line = text_.substr(at_, end - at_);
    at_ = end + (text_.substr(end, 2) == "\r\n" ? 2 : 1);
    return true;
  }

  // True: up to the empty line.
  bool fields(PlainFields& all) {
    std::string_view line;
    while (next_line(line)) {
      if (line.empty()) return true;
      if (is_blank(line.front()) && !all.empty()) {
        all.back().value += std::string(" ").append(trim_all(line));
        continue;
      }
      const std::size_t colon = line.find(':');
      const std::string_view value =
          colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
      all.push_back({std::string(trim_all(line.substr(0, colon))), std::string(trim_all(value))});
    }
    return false;
  }

  static std::vector<std::string> split_blanks(std::string_view line) {
    std::vector<std::string> words;
    for (bool open = false; const char c : line) {
      if (is_blank(c)) {
        open = false;
      } else {
        if (!open) words.emplace_back();
        words.back() += c;
        open = true;
      }
    }
    return words;
  }

  // Zero for a text that begins with no digit; wraps around, as careless servers do.
  static std::uint64_t leading_hex(std::string_view line) {
    std::uint64_t size = 0;
    for (const char c : trim_all(line)) {
      const std::size_t digit = std::string_view("0123456789abcdef").find(lower_text({&c, 1}));
      if (digit == std::string_view::npos) break;
      size = size * 16 + digit;
    }
    return size;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace canaryd::fuzz
