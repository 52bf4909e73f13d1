// A Cookie value: what is found lies inside it and is trimmed; written anew from its pairs, each is
// found as before; one that may be set by us is read back from the field that sets it.
#include "canaryd/base/error.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/cookie.hpp"
#include "canaryd/http/uri.hpp"
#include "fuzz/fuzz_target.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace canaryd::http;

namespace {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

Pairs split(std::string_view text, char separator, bool bare_names) {
  Pairs pairs;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    const std::string_view pair = text.substr(at, end - at);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos) {
      pairs.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    } else if (bare_names && !pair.empty()) {
      pairs.emplace_back(pair, std::string_view());
    }
    at = end + 1;
  }
  return pairs;
}

std::string join(const Pairs& pairs, std::string_view separator) {
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += separator;
    text.append(name).append("=").append(value);
  }
  return text;
}

void check_set_cookie(std::string_view name, std::string_view value) {
  if (!is_cookie_name(name) || !is_cookie_value(value)) return;
  std::string storage(name.size() + value.size() + 128, ' ');
  for (const SameSite site : {SameSite::kLax, SameSite::kNone}) {
    HeadBuffer out(storage);
    write_set_cookie(out, {name, value, std::chrono::seconds(value.size()), site, false, true});
    CANARYD_ASSERT(!out.overflowed());
    const std::string_view line = out.view();
    constexpr std::string_view kName = "Set-Cookie: ";
    CANARYD_ASSERT(line.starts_with(kName) && line.find("\r\n") == line.size() - 2);
    const std::string_view field = line.substr(kName.size(), line.size() - kName.size() - 2);
    CANARYD_ASSERT(is_field_value(field) && find_cookie(field, name) == value);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = canaryd::fuzz::text_of(data, size);
  const auto inside = [text](std::string_view part) {
    return part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size();
  };
  for (const std::string_view name : {"a", "canaryd_id", ""}) {
    const auto value = find_cookie(text, name);
    CANARYD_ASSERT(value.data() == nullptr || (inside(value) && trim(value) == value));
    CANARYD_ASSERT(value.find(';') == std::string_view::npos);
    const auto parameter = find_query(text, name);
    CANARYD_ASSERT(parameter.data() == nullptr || inside(parameter));
  }
  Pairs cookies = split(text, ';', false);
  for (auto& [name, value] : cookies) {
    name = trim(name);
    value = trim(value);
  }
  const std::string written = join(cookies, "; ");
  for (const auto& [name, value] : cookies) {
    const auto found = find_cookie(text, name);
    CANARYD_ASSERT(found.data() != nullptr && found == find_cookie(written, name));
    check_set_cookie(name, value);
  }
  const Pairs parameters = split(text, '&', true);
  const std::string query = join(parameters, "&");
  for (const auto& [name, value] : parameters) {
    if (name.empty()) continue;  // Nobody asks for it, and "a&&b" has one.
    const auto found = find_query(text, name);
    CANARYD_ASSERT(found.data() != nullptr && found == find_query(query, name));
  }
  return 0;
}
