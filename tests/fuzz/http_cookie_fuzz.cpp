// A Cookie value: what is found lies inside it and is trimmed, and asking for each name finds
// something.
#include "canaryd/base/error.hpp"
#include "canaryd/http/chars.hpp"
#include "canaryd/http/cookie.hpp"
#include "canaryd/http/uri.hpp"
#include "fuzz/fuzz_target.hpp"

#include <string_view>

using namespace canaryd::http;

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
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos ||
      text.substr(0, equals).find(';') != std::string_view::npos) {
    return 0;
  }
  CANARYD_ASSERT(find_cookie(text, trim(text.substr(0, equals))).data() != nullptr);
  return 0;
}
