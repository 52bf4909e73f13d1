#include "canaryd/http/cookie.hpp"

#include "canaryd/http/chars.hpp"

#include <algorithm>

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

bool may_issue_cookie(const ResponseHead& head) noexcept {
  // Nothing follows a 101, and nobody stores it.
  if ((head.interim() && head.status != 101) || head.status == 304) return false;
  bool shared = false;
  head.fields.for_each(FieldId::kCacheControl, [&shared](const Field& field) {
    std::string_view list = field.value;
    for (auto member = next_list_member(list); !member.empty(); member = next_list_member(list)) {
      const std::string_view directive = trim(member.substr(0, member.find('=')));
      shared = shared || equals_ignore_case(directive, "public") ||
               equals_ignore_case(directive, "s-maxage");
    }
  });
  return !shared;
}

}  // namespace canaryd::http
