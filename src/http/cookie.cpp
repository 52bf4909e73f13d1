#include "canaryd/http/cookie.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/date.hpp"

#include <algorithm>
#include <optional>

namespace canaryd::http {

std::string_view find_cookie(std::string_view cookies, std::string_view name) noexcept {
  while (!cookies.empty()) {
    const std::size_t end = std::min(cookies.find(';'), cookies.size());
    const std::string_view pair = cookies.substr(0, end);
    cookies.remove_prefix(std::min(end + 1, cookies.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    if (trim(pair.substr(0, equals)) == name) return trim(pair.substr(equals + 1));
  }
  return {};
}

std::string_view find_cookie(const FieldList& fields, std::string_view name) noexcept {
  std::string_view found;
  fields.for_each(FieldId::kCookie, [&](const Field& field) {
    if (found.data() == nullptr) found = find_cookie(field.value, name);
  });
  return found;
}

bool is_cookie_name(std::string_view name) noexcept {
  return is_token(name);
}

bool is_cookie_value(std::string_view value) noexcept {
  // RFC 6265 section 4.1.1, cookie-octet; without the optional quotes.
  return std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
  });
}

void write_set_cookie(HeadBuffer& out, const SetCookie& cookie) noexcept {
  out.append("Set-Cookie: ");
  out.append(cookie.name);
  out.append('=');
  out.append(cookie.value);
  out.append("; Path=/");
  if (cookie.max_age.count() > 0) {
    out.append("; Max-Age=");
    out.append_decimal(static_cast<std::uint64_t>(cookie.max_age.count()));
  }
  switch (cookie.same_site) {
    case SameSite::kLax:
      out.append("; SameSite=Lax");
      break;
    case SameSite::kStrict:
      out.append("; SameSite=Strict");
      break;
    case SameSite::kNone:
      out.append("; SameSite=None");
      break;
  }
  if (cookie.secure || cookie.same_site == SameSite::kNone) out.append("; Secure");
  if (cookie.http_only) out.append("; HttpOnly");
  out.append("\r\n");
}

namespace {

// Takes the next directive off a list; a comma within a quoted string ends none (RFC 9110 section
// 5.6.4). Empty result: the list is at its end.
std::string_view next_directive(std::string_view& list) noexcept {
  while (!list.empty()) {
    bool quoted = false;
    std::size_t end = 0;
    for (; end < list.size() && (quoted || list[end] != ','); ++end) {
      if (list[end] == '"') quoted = !quoted;
      if (quoted && list[end] == '\\') ++end;
    }
    const std::string_view directive = trim(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    if (!directive.empty()) return directive;
  }
  return {};
}

// Surely no time at all: zero or less, quoted or not.
bool is_no_time(std::string_view seconds) noexcept {
  if (seconds.size() >= 2 && seconds.front() == '"' && seconds.back() == '"') {
    seconds = seconds.substr(1, seconds.size() - 2);
  }
  if (seconds.empty()) return false;
  return seconds.front() == '-' || seconds.find_first_not_of('0') == std::string_view::npos;
}

// What the directives of one cache say about the storing of an answer. In doubt it may be stored.
class CacheDirectives {
 public:
  void read(std::string_view list) noexcept {
    for (auto next = next_directive(list); !next.empty(); next = next_directive(list)) note(next);
  }
  // For others than this user, or for nobody.
  [[nodiscard]] bool forbidden() const noexcept {
    // Who understands the status, obeys no `no-store` beside it (RFC 9111 section 5.2.2.3).
    return private_ || (no_store_ && !must_understand_);
  }
  [[nodiscard]] bool invited() const noexcept { return invited_; }

 private:
  void note(std::string_view directive) noexcept {
    const std::size_t name_size = std::min(directive.find_first_of("=;"), directive.size());
    const std::string_view name = trim(directive.substr(0, name_size));
    const auto is = [name](std::string_view known) { return equals_ignore_case(name, known); };
    if (name_size == directive.size()) {
      // With an argument `private` is about some fields only.
      private_ = private_ || is("private");
      no_store_ = no_store_ || is("no-store");
      must_understand_ = must_understand_ || is("must-understand");
    }
    if (is("public")) invited_ = true;
    if (is("max-age") || is("s-maxage") || is("stale-while-revalidate") || is("stale-if-error")) {
      std::string_view seconds = directive.substr(std::min(name_size + 1, directive.size()));
      seconds = trim(seconds.substr(0, seconds.find(';')));
      invited_ = invited_ || !is_no_time(seconds);
    }
  }

  bool private_ = false;
  bool no_store_ = false;
  bool must_understand_ = false;
  bool invited_ = false;
};

// Directives for some shared caches, which then look at no others: "CDN-Cache-Control" and those of
// vendors (RFC 9213 section 2.1), and what was before them.
bool is_targeted_cache_control(std::string_view name) noexcept {
  constexpr std::string_view kSuffix = "-cache-control";
  return equals_ignore_case(name, "surrogate-control") ||
         (name.size() > kSuffix.size() &&
          equals_ignore_case(name.substr(name.size() - kSuffix.size()), kSuffix));
}

// Of a date as write_date() writes it: the later, the greater. Nothing for other texts, the old
// forms of dates among them.
std::optional<std::uint64_t> date_rank(std::string_view date) noexcept {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (date.size() != kDateBytes || !date.ends_with(" GMT")) return std::nullopt;
  const std::size_t month = kMonths.find(date.substr(8, 3));
  std::uint64_t rank = 0;
  if (month == std::string_view::npos || !parse_decimal(date.substr(12, 4), rank)) {
    return std::nullopt;
  }
  rank = rank * 100 + month;
  for (const std::size_t at : {5U, 17U, 20U, 23U}) {  // Day, hour, minute, second.
    std::uint64_t number = 0;
    if (!parse_decimal(date.substr(at, 2), number)) return std::nullopt;
    rank = rank * 100 + number;
  }
  return rank;
}

// Surely in the past. Numbers are no dates, and that means the past, too (RFC 9111 section 5.3).
bool is_past(std::string_view expires, std::string_view date) noexcept {
  const auto is_number_char = [](char c) { return c == '-' || is_digit(c); };
  if (std::all_of(expires.begin(), expires.end(), is_number_char) || expires == date) return true;
  const auto end = date_rank(expires);
  const auto begin = date_rank(date);
  return end && begin && *end <= *begin;
}

}  // namespace

bool may_issue_cookie(const ResponseHead& head, std::string_view date) noexcept {
  // Nothing follows a 101, and nobody stores it.
  if ((head.interim() && head.status != 101) || head.status == 304) return false;
  if (head.fields.has(FieldId::kDate)) date = head.fields.value(FieldId::kDate);
  CacheDirectives directives;
  bool expires_later = false;
  for (const Field& field : head.fields) {
    if (field.id == FieldId::kCacheControl) directives.read(field.value);
    if (field.id != FieldId::kOther) continue;
    if (equals_ignore_case(field.name, "expires")) {
      expires_later = expires_later || !is_past(field.value, date);
    } else if (is_targeted_cache_control(field.name)) {
      CacheDirectives targeted;
      targeted.read(field.value);
      if (targeted.invited() && !targeted.forbidden()) return false;
    }
  }
  return directives.forbidden() || !(directives.invited() || expires_later);
}

}  // namespace canaryd::http
