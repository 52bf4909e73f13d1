#include "component/http_text.hpp"

#include <algorithm>
#include <cctype>

namespace canaryd::test {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

// Lines up to the empty one; npos: it is not there yet.
std::size_t read_fields(const std::string& text, std::size_t at, TextFields& fields) {
  for (;;) {
    const std::size_t end = text.find("\r\n", at);
    if (end == std::string::npos) return end;
    if (end == at) return end + 2;
    const std::string line = text.substr(at, end - at);
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos) {
      std::string value = line.substr(colon + 1);
      value.erase(0, value.find_first_not_of(' '));
      fields.emplace_back(line.substr(0, colon), value);
    }
    at = end + 2;
  }
}

// Where the chunked body ends; npos: not yet, or never.
std::size_t read_chunks(const std::string& text, std::size_t at, Message& message) {
  for (;;) {
    const std::size_t line = text.find("\r\n", at);
    if (line == std::string::npos) return line;
    const std::size_t size = std::stoul(text.substr(at, line - at), nullptr, 16);
    at = line + 2;
    if (size == 0) return read_fields(text, at, message.trailers);
    message.body += text.substr(at, size);
    if (text.size() < at + size + 2) return std::string::npos;
    at += size + 2;
  }
}

bool has_no_body(const Message& message, BodyRule rule) {
  if (rule == BodyRule::kRequest) return false;
  const int status = message.status();
  return rule == BodyRule::kResponseToHead || status < 200 || status == 204 || status == 304;
}

}  // namespace

int Message::status() const {
  return start.starts_with("HTTP/1.") ? std::stoi(start.substr(9, 3)) : 0;
}

std::string Message::target() const {
  const std::size_t from = start.find(' ') + 1;
  return start.substr(from, start.rfind(' ') - from);
}

std::size_t Message::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      fields.begin(), fields.end(), [&](const auto& f) { return same_name(f.first, name); }));
}

std::string Message::field(std::string_view name) const {
  std::string result;
  for (const auto& [each, value] : fields) {
    if (!same_name(each, name)) continue;
    if (!result.empty()) result += ", ";
    result += value;
  }
  return result;
}

std::optional<Message> take_message(std::string& text, BodyRule rule, bool ended) {
  // Most calls come with every byte that arrives, and before the head is there.
  if (!ended && text.find("\r\n\r\n") == std::string::npos) return std::nullopt;
  Message message;
  const std::size_t line = text.find("\r\n");
  std::size_t at = std::string::npos;
  if (line != std::string::npos) {
    message.start = text.substr(0, line);
    at = read_fields(text, line + 2, message.fields);
  }
  if (at != std::string::npos) {
    std::size_t end = at;
    if (has_no_body(message, rule)) {
      // The head is all.
    } else if (same_name(message.field("Transfer-Encoding"), "chunked")) {
      end = read_chunks(text, at, message);
    } else if (message.has("Content-Length")) {
      const std::size_t length = std::stoul(message.field("Content-Length"));
      message.body = text.substr(at, length);
      end = text.size() - at >= length ? at + length : std::string::npos;
    } else if (rule != BodyRule::kRequest) {
      message.body = text.substr(at);
      end = ended ? text.size() : std::string::npos;
    }
    if (end != std::string::npos) {
      message.whole = true;
      text.erase(0, end);
      return message;
    }
  }
  if (!ended) return std::nullopt;
  text.clear();
  return message;
}

std::string ok(std::string_view body, std::string_view more_fields) {
  std::string text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += more_fields;
  text += "\r\n";
  text += body;
  return text;
}

std::string chunked(std::string_view body, std::size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, size);
    std::string digits;
    for (std::size_t n = piece.size(); n > 0; n /= 16) digits.insert(0, 1, kDigits[n % 16]);
    text += digits + "\r\n";
    text += piece;
    text += "\r\n";
    body.remove_prefix(piece.size());
  }
  return text + "0\r\n\r\n";
}

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  std::uint32_t state = 1;
  for (char& c : text) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>('a' + (state >> 24U) % 26);
  }
  return text;
}

}  // namespace canaryd::test
