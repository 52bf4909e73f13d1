// A plain reader of HTTP/1 messages for tests: copies everything, shares no code with the product.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::test {

using TextFields = std::vector<std::pair<std::string, std::string>>;

struct Message {
  std::string start;  // "GET / HTTP/1.1", "HTTP/1.1 200 OK"; empty: there was none.
  TextFields fields;
  std::string body;  // Data only; what there is of it if the message was cut.
  TextFields trailers;
  bool whole = false;

  [[nodiscard]] int status() const;
  [[nodiscard]] std::string method() const { return start.substr(0, start.find(' ')); }
  [[nodiscard]] std::string target() const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return count(name) > 0; }
  // The values of all fields of that name, joined by ", ".
  [[nodiscard]] std::string field(std::string_view name) const;
};

enum class BodyRule : std::uint8_t {
  kRequest,
  kResponse,
  kResponseToHead,
};

// Takes one message off the front of the text, if it is there as a whole. `ended`: the sender has
// closed, which completes a response without framing, and makes an incomplete one come out as it
// is, not `whole`.
[[nodiscard]] std::optional<Message> take_message(std::string& text,
                                                  BodyRule rule,
                                                  bool ended = false);

// "200 OK" with Content-Length and this body.
[[nodiscard]] std::string ok(std::string_view body, std::string_view more_fields = {});
// The body as one chunk for each `size` bytes, with the end.
[[nodiscard]] std::string chunked(std::string_view body, std::size_t size = 1000);
// Bytes that look different at every place.
[[nodiscard]] std::string pattern(std::size_t size);

}  // namespace canaryd::test
