#include "canaryd/http/websocket.hpp"

#include "canaryd/base/digest.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/framing.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

namespace canaryd::http {
namespace {

constexpr unsigned char kFinal = 0x80;
constexpr unsigned char kOpcode = 0x0f;
constexpr unsigned char kClose = 0x08;  // The first of the control frames.
constexpr unsigned char kMasked = 0x80;
constexpr unsigned char kLength = 0x7f;
constexpr unsigned char kControlMax = 125;
constexpr unsigned char kLength16 = 126;

constexpr std::string_view kKeyField = "Sec-WebSocket-Key";
constexpr std::string_view kAcceptField = "Sec-WebSocket-Accept";
// Base64 of 16 bytes, and of the 20 of a SHA-1.
constexpr std::size_t kKeyChars = 24;
constexpr std::size_t kAcceptChars = 28;

// RFC 6455 section 4.2.2, item 5.
std::optional<std::string> accept_of(std::string_view key) {
  return sha1_base64(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
}

bool is_base64(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const char small = lower(c);
    return is_digit(c) || (small >= 'a' && small <= 'z') || c == '+' || c == '/';
  });
}

// The one field of that name, or nullptr: two could be read differently.
const Field* only(const FieldList& fields, std::string_view name) noexcept {
  const Field* found = nullptr;
  for (const Field& field : fields) {
    if (!equals_ignore_case(field.name, name)) continue;
    if (found != nullptr) return nullptr;
    found = &field;
  }
  return found;
}

bool names_websocket_alone(const FieldList& fields) noexcept {
  return fields.count(FieldId::kUpgrade) == 1 &&
         equals_ignore_case(fields.value(FieldId::kUpgrade), "websocket");
}

}  // namespace

bool offers_websocket(const RequestHead& head) noexcept {
  if (!head.upgrade || head.method != Method::kGet || !head.framing.empty()) return false;
  if (!names_websocket_alone(head.fields)) return false;
  const Field* const key = only(head.fields, kKeyField);
  return key != nullptr && key->value.size() == kKeyChars && key->value.ends_with("==") &&
         is_base64(key->value.substr(0, kKeyChars - 2)) &&
         !(head.nominates && is_nominated(head.fields, *key));
}

bool accepts_websocket(const ResponseHead& head) noexcept {
  if (head.status != 101 || !head.upgrade || !names_websocket_alone(head.fields)) return false;
  const Field* const accept = only(head.fields, kAcceptField);
  return accept != nullptr && accept->value.size() == kAcceptChars &&
         !(head.nominates && is_nominated(head.fields, *accept));
}

bool answers_offer(const ResponseHead& head, const RequestHead& offer) {
  const Field* const key = only(offer.fields, kKeyField);
  const Field* const accept = only(head.fields, kAcceptField);
  if (key == nullptr || accept == nullptr || key->value.size() != kKeyChars) return false;
  return accept->value == accept_of(key->value);
}

// ---- FrameTracker

std::size_t FrameTracker::header_bytes() const noexcept {
  if (header_size_ < 2) return 2;
  const unsigned char length = header_[1] & kLength;
  const std::size_t extended = length < kLength16 ? 0 : length == kLength16 ? 2 : 8;
  return 2 + extended + (masked_ ? 4 : 0);
}

// False: no WebSocket frame begins like this.
bool FrameTracker::read_header() noexcept {
  const unsigned char opcode = header_[0] & kOpcode;
  const unsigned char length = header_[1] & kLength;
  if (((header_[1] & kMasked) != 0) != masked_) return false;
  // RFC 6455 section 5.5: control frames are short and whole.
  if (opcode >= kClose && ((header_[0] & kFinal) == 0 || length > kControlMax)) return false;
  payload_left_ = length;
  if (length >= kLength16) {
    const std::size_t end = length == kLength16 ? 4 : 10;
    payload_left_ = 0;
    for (std::size_t at = 2; at < end; ++at) payload_left_ = payload_left_ << 8U | header_[at];
    if (payload_left_ >> 63U != 0) return false;
  }
  closing_ = opcode == kClose;
  close_bytes_ = 0;
  header_size_ = 0;
  return true;
}

void FrameTracker::read_close(std::string_view payload) noexcept {
  for (const char c : payload.substr(0, 2U - std::min<std::size_t>(close_bytes_, 2))) {
    close_code_ = static_cast<std::uint16_t>(close_code_ << 8U | static_cast<unsigned char>(c));
    ++close_bytes_;
  }
}

std::size_t FrameTracker::next(std::string_view bytes) noexcept {
  std::size_t at = 0;
  if (payload_left_ == 0) {
    while (!lost_ && header_size_ < header_bytes() && at < bytes.size()) {
      header_[header_size_++] = static_cast<unsigned char>(bytes[at++]);
    }
    if (!lost_ && header_size_ < header_bytes()) return at;
    if (!lost_ && !read_header()) lost_ = true;
    if (lost_) return bytes.size();
  }
  const auto take =
      static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, bytes.size() - at));
  if (closing_ && !closed_ && !masked_) read_close(bytes.substr(at, take));
  payload_left_ -= take;
  if (payload_left_ == 0 && closing_) closed_ = true;
  return at + take;
}

// ---- CloseFrame

CloseFrame::CloseFrame(std::uint16_t code, std::uint32_t mask) noexcept {
  std::size_t at = 0;
  const auto put = [&](unsigned byte) { bytes_[at++] = static_cast<char>(byte & 0xffU); };
  const auto key = [&](unsigned index) { return mask >> (8 * (3 - index)) & 0xffU; };
  put(kFinal | kClose);
  put(mask == 0 ? 2U : 2U | kMasked);
  for (unsigned i = 0; mask != 0 && i < 4; ++i) put(key(i));
  put(static_cast<unsigned>(code >> 8U) ^ key(0));
  put(code ^ key(1));
  size_ = at;
}

}  // namespace canaryd::http
