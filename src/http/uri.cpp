#include "canaryd/http/uri.hpp"

#include "canaryd/http/chars.hpp"
#include "http/scan.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace canaryd::http {
namespace {

Refused bad_target(const char* detail) noexcept {
  return {Refusal::kBadRequest, detail};
}

// RFC 3986 section 2.3.
constexpr auto kUnreserved = [] {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = true;
  for (const char c : {'-', '.', '_', '~'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_unreserved(char c) noexcept {
  return kUnreserved[static_cast<unsigned char>(c)];
}

// Characters of a path that mean nothing to us and are canonical wherever they stand.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = '!'; c <= '~'; ++c) plain[c] = true;
  for (const char c : {'/', '%', '\\', '#', '?'}) plain[static_cast<unsigned char>(c)] = false;
  return plain;
}();

bool is_plain(char c) noexcept {
  return kPlain[static_cast<unsigned char>(c)];
}

bool is_dots(std::string_view name) noexcept {
  return name == "." || name == "..";
}

// Does a server that splits at escaped slashes, or strips ";parameters", see a dot segment in here?
bool hides_dots(std::string_view segment) noexcept {
  constexpr std::string_view kSlash = "%2F";
  for (;;) {
    const std::size_t slash = segment.find(kSlash);
    const std::string_view part = segment.substr(0, slash);
    if (is_dots(part.substr(0, part.find(';')))) return true;
    if (slash == std::string_view::npos) return false;
    segment.remove_prefix(slash + kSlash.size());
  }
}

// The usual case, one pass: nothing escaped, no empty segment, no segment that begins with a dot
// and might be one.
bool is_canonical_path(std::string_view path) noexcept {
  if (path.empty() || path.front() != '/') return false;
  if (is_plain_path(path.data(), path.data() + path.size())) return true;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (is_plain(path[i])) continue;
    if (path[i] != '/') return false;
    if (i + 1 == path.size() || (path[i + 1] != '/' && path[i + 1] != '.')) continue;
    const std::string_view rest = path.substr(i + 1);
    if (rest.front() == '/' || hides_dots(rest.substr(0, rest.find('/')))) return false;
  }
  return true;
}

class PathWriter {
 public:
  PathWriter(const UriRules& rules, std::span<char> out) noexcept : rules_(rules), out_(out) {}

  // Never writes more than it reads, but for the '/' that an empty path becomes.
  Refused write(std::string_view path) noexcept {
    if (out_.size() < path.size() + 1) return {Refusal::kTargetTooLong, "no room for the target"};
    put('/');
    segment_ = size_;
    if (!path.empty() && path.front() == '/') path.remove_prefix(1);
    while (!path.empty()) {
      if (const Refused refused = take(path)) return refused;
    }
    return end_segment(false);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  void put(char c) noexcept { out_[size_++] = c; }

  Refused take(std::string_view& path) noexcept {
    const char c = path.front();
    if (c == '%') return take_escape(path);
    path.remove_prefix(1);
    if (c == '/') return end_segment(true);
    if (!is_plain(c)) return bad_target("character not allowed in path");
    put(c);
    return {};
  }

  Refused take_escape(std::string_view& path) noexcept {
    const int high = path.size() > 2 ? hex_digit(path[1]) : -1;
    const int low = path.size() > 2 ? hex_digit(path[2]) : -1;
    if (high < 0 || low < 0) return bad_target("broken escape in path");
    path.remove_prefix(3);
    const auto byte = static_cast<unsigned char>(high * 16 + low);
    const auto c = static_cast<char>(byte);
    if (is_unreserved(c)) {
      put(c);
      return {};
    }
    if (byte < 0x20 || byte == 0x7f) return bad_target("escaped control character in path");
    if (c == '\\') return bad_target("escaped backslash in path");
    if (c == '/' && !rules_.encoded_slash) return bad_target("escaped slash in path");
    constexpr std::string_view kHexDigits = "0123456789ABCDEF";
    put('%');
    put(kHexDigits[static_cast<std::size_t>(high)]);
    put(kHexDigits[static_cast<std::size_t>(low)]);
    return {};
  }

  Refused end_segment(bool slash) noexcept {
    const std::string_view segment(out_.data() + segment_, size_ - segment_);
    if (segment == ".") {
      size_ = segment_;
    } else if (segment == "..") {
      if (segment_ == 1) return bad_target("path climbs above its root");
      size_ = segment_ - 1;
      while (out_[size_ - 1] != '/') --size_;
    } else if (hides_dots(segment)) {
      return bad_target("hidden dot segment in path");
    } else if (slash && !segment.empty()) {
      put('/');
    }
    segment_ = size_;
    return {};
  }

  UriRules rules_;
  std::span<char> out_;
  std::size_t size_ = 0;
  std::size_t segment_ = 0;  // Where the segment being written begins; behind a '/'.
};

// The first two are no ordinary characters of a label.
enum HostKind : std::uint8_t { kNoHostChar = 0, kHostDot = 1, kHostChar = 2, kHostCapital = 6 };

constexpr auto kHostKinds = [] {
  std::array<std::uint8_t, 256> kinds{};
  for (unsigned c = 0; c < kinds.size(); ++c) {
    if (kUnreserved[c]) kinds[c] = c >= 'A' && c <= 'Z' ? kHostCapital : kHostChar;
  }
  kinds['.'] = kHostDot;
  return kinds;
}();

// Bytes of the host name that the text begins with; 0: none, or one with an empty label.
std::size_t host_name_size(std::string_view text, bool& lower_case) noexcept {
  unsigned seen = 0;
  std::size_t label = 0;
  std::size_t size = 0;
  for (; size < text.size(); ++size) {
    const unsigned kind = kHostKinds[static_cast<unsigned char>(text[size])];
    seen |= kind;
    if (kind >= kHostChar) continue;
    if (kind == kNoHostChar) break;
    if (size == label) return 0;
    label = size + 1;
  }
  lower_case = (seen & kHostCapital) != kHostCapital;
  return size;
}

bool is_ipv6_text(std::string_view text) noexcept {
  return text.size() >= 2 && text.size() <= 45 && std::count(text.begin(), text.end(), ':') >= 2 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return hex_digit(c) >= 0 || c == ':' || c == '.';
         });
}

// Takes the scheme and authority off an absolute target; they must name the same host as the Host
// field.
Refused take_authority(const RequestHead& head, std::string_view& rest, Target& target) noexcept {
  const std::size_t colon = rest.find("://");
  const std::string_view scheme = rest.substr(0, colon);
  const bool http = equals_ignore_case(scheme, "http");
  if (colon == std::string_view::npos || (!http && !equals_ignore_case(scheme, "https"))) {
    return bad_target("target is neither a path nor an http URL");
  }
  rest.remove_prefix(colon + 3);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  target.form = TargetForm::kAbsolute;
  target.authority = rest.substr(0, end);
  rest.remove_prefix(end);
  Authority named;
  if (!parse_authority(target.authority, named)) return bad_target("authority is not a host");
  Authority host;
  if (head.host.empty()) return {};
  if (!parse_authority(head.host, host) || !same_authority(named, host, http ? "80" : "443")) {
    return bad_target("target and Host name different hosts");
  }
  return {};
}

// Sets target.host; writes only if there is something to make small.
Refused canonical_host(const RequestHead& head, std::span<char> scratch, Target& target) noexcept {
  if (target.authority.empty()) return {};
  Authority authority;
  if (head.host_name_size != 0 && target.authority.data() == head.host.data()) {
    authority.host = {head.host.data(), head.host_name_size};
    authority.lower_case = head.host_lower_case;
  } else if (!parse_authority(target.authority, authority)) {
    return bad_target("Host is not a host");
  }
  std::string_view host = authority.host;
  if (host.back() == '.') host.remove_suffix(1);
  target.host = host;
  if (authority.lower_case) return {};
  if (scratch.size() < host.size()) return {Refusal::kTargetTooLong, "no room for the host"};
  std::transform(host.begin(), host.end(), scratch.begin(), lower);
  target.host = std::string_view(scratch.data(), host.size());
  return {};
}

}  // namespace

Refused parse_target(const RequestHead& head,
                     const UriRules& rules,
                     std::span<char> scratch,
                     Target& target) noexcept {
  // The rest is set by whatever is accepted; of a target that is refused nothing means anything.
  target.query = target.host = {};
  target.authority = head.host;
  target.form = TargetForm::kOrigin;
  std::string_view rest = head.target;
  if (rest.empty()) return bad_target("empty target");
  const bool options = head.method == Method::kOptions;
  if (rest.front() != '/' && rest != "*") {
    if (const Refused refused = take_authority(head, rest, target)) return refused;
    // RFC 9112 section 3.2.4: OPTIONS on a URL without path and query is about the server as a
    // whole.
    if (options && rest.empty()) rest = "*";
  }
  if (rest == "*") {
    if (!options) return bad_target("asterisk is for OPTIONS only");
    if (target.form == TargetForm::kOrigin) target.form = TargetForm::kAsterisk;
    target.forwarded = target.path = rest;
    return canonical_host(head, scratch, target);
  }

  const char* const end = rest.data() + rest.size();
  const auto* const mark = static_cast<const char*>(std::memchr(rest.data(), '?', rest.size()));
  std::string_view path = rest;
  if (mark != nullptr) {
    path.remove_suffix(static_cast<std::size_t>(end - mark));
    target.query = std::string_view(mark + 1, static_cast<std::size_t>(end - mark - 1));
    if (find_target_end(rest.data(), target.query.data(), end) != end ||
        target.query.find('#') != std::string_view::npos) {
      return bad_target("character not allowed in query");
    }
  }
  if (is_canonical_path(path)) {
    target.forwarded = rest;
    target.path = path;
    return canonical_host(head, scratch, target);
  }
  PathWriter writer(rules, scratch);
  if (const Refused refused = writer.write(path)) return refused;
  const std::size_t path_size = writer.size();
  const std::size_t tail = rest.size() - path.size();
  if (scratch.size() - path_size < tail) return {Refusal::kTargetTooLong, "no room for the target"};
  if (tail != 0) std::memcpy(scratch.data() + path_size, rest.data() + path.size(), tail);
  target.forwarded = std::string_view(scratch.data(), path_size + tail);
  target.path = target.forwarded.substr(0, path_size);
  if (tail != 0) target.query = target.forwarded.substr(path_size + 1);
  return canonical_host(head, scratch.subspan(path_size + tail), target);
}

bool parse_authority(std::string_view text, Authority& authority) noexcept {
  bool lower_case = false;
  const bool bracketed = !text.empty() && text.front() == '[';
  std::size_t host_end = 0;
  if (bracketed) {
    host_end = text.find(']') + 1;  // 0 if there is none.
    const std::string_view address = text.substr(0, host_end);
    if (host_end == 0 || !is_ipv6_text(address.substr(1, host_end - 2))) return false;
    lower_case = std::none_of(address.begin(), address.end(), [](char c) { return c != lower(c); });
  } else {
    host_end = host_name_size(text, lower_case);
    if (host_end == 0 || host_end > kHostBytesMax) return false;
  }
  std::string_view port = text;
  port.remove_prefix(host_end);
  if (!port.empty()) {
    if (port.front() != ':') return false;
    port.remove_prefix(1);
    std::uint64_t number = 0;
    if (!port.empty() && (port.size() > 5 || !parse_decimal(port, number) || number > 65535)) {
      return false;
    }
  }
  authority = {{text.data(), host_end}, port, lower_case};
  return true;
}

bool same_authority(const Authority& a,
                    const Authority& b,
                    std::string_view default_port) noexcept {
  const auto port = [&](const Authority& of) { return of.port.empty() ? default_port : of.port; };
  return equals_ignore_case(a.host, b.host) && port(a) == port(b);
}

namespace {

// Takes off its beginning what stands for one character.
char take_decoded(std::string_view& text) noexcept {
  char c = text.front();
  std::size_t size = 1;
  if (c == '+') {
    c = ' ';
  } else if (c == '%' && text.size() > 2) {
    const int high = hex_digit(text[1]);
    const int low = hex_digit(text[2]);
    if (high >= 0 && low >= 0) {
      c = static_cast<char>(static_cast<unsigned char>(high * 16 + low));
      size = 3;
    }
  }
  text.remove_prefix(size);
  return c;
}

bool stands_for(std::string_view written, std::string_view name) noexcept {
  while (!written.empty() && !name.empty()) {
    if (take_decoded(written) != name.front()) return false;
    name.remove_prefix(1);
  }
  return written.empty() && name.empty();
}

}  // namespace

std::string_view find_query(std::string_view query, std::string_view name) noexcept {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view written = pair.substr(0, equals);
    if (written == name || stands_for(written, name)) {
      return pair.substr(std::min(equals + 1, pair.size()));
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return {};
}

std::string_view find_query(std::string_view query,
                            std::string_view name,
                            std::span<char> scratch) noexcept {
  std::string_view written = find_query(query, name);
  if (written.find_first_of("%+") == std::string_view::npos) {
    return written.substr(0, scratch.size());
  }
  std::size_t size = 0;
  while (!written.empty() && size < scratch.size()) scratch[size++] = take_decoded(written);
  return {scratch.data(), size};
}

}  // namespace canaryd::http
