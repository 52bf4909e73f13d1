// Rollouts: whether the canary answers reads as stable does, before it takes any weight.
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kIgnoredMax = 64;
constexpr std::size_t kHeadersMax = 16;

// A name of a field, or a path of them (RFC 6901).
bool is_field(std::string_view text) {
  const auto printable = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  };
  return std::all_of(text.begin(), text.end(), printable) && !text.ends_with('/');
}

}  // namespace

const Section<Parity>& parity_section() {
  static const auto made = [] {
    constexpr std::uint64_t kBodyMost = std::uint64_t{256} * 1024;
    Section<Parity> s("Parity");
    s.add("sample",
          &Parity::sample,
          weight(),
          "Share of the GET and HEAD requests, by their ids, that are asked three times more: "
          "stable twice, to see what it changes by itself, and the canary. Nobody waits for it.");
    s.add("max_diff",
          &Parity::max_diff,
          percent(0.01, 50),
          "Percentage of the reads that may differ. With none that does, about 500 reads show 1 %, "
          "5000 show 0.1 %.");
    s.add("min_requests",
          &Parity::min_requests,
          integer(1, 1'000'000'000),
          "At least so many reads are compared.");
    s.add("ignore",
          &Parity::ignore,
          list_of(text({"the name of a field, or a path such as \"/items/*/id\"", "", is_field}),
                  0,
                  kIgnoredMax),
          "Fields of JSON that are not compared: of this name wherever it is, or at this path, in "
          "which `*` is any place of a list, and any key. Not needed for what stable itself "
          "changes from one answer to the next.");
    s.add("headers",
          &Parity::headers,
          list_of(text(header_name_rule()), 0, kHeadersMax),
          "Headers that are compared, beside status, media type and body.");
    s.add("body_bytes",
          &Parity::body_bytes,
          size(1024, kBodyMost),
          "An answer with a longer body is not compared.");
    s.add("timeout",
          &Parity::timeout,
          duration(1ms, 1min),
          "For each copy and its answer, connecting included.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
