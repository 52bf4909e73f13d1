// Two answers to one read, whose bodies an upstream makes: up to a NUL byte the one, behind it the
// other. Nothing differs from itself; who is compared with whom makes no difference; what is
// ignored only takes differences away; and no name of a field is longer than its bound.
#include "canaryd/analysis/parity_fields.hpp"
#include "canaryd/base/error.hpp"
#include "fuzz/fuzz_target.hpp"

#include <algorithm>
#include <string>
#include <string_view>

using canaryd::analysis::compare_answers;
using canaryd::analysis::Differences;
using canaryd::analysis::IgnoredFields;
using canaryd::stats::ParityAnswer;

namespace {

ParityAnswer answer_of(std::string_view body) {
  ParityAnswer answer;
  answer.answered = true;
  answer.status = 200;
  answer.content_type = "application/json";
  answer.body = body;
  return answer;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = canaryd::fuzz::text_of(data, size);
  const std::size_t middle = std::min(text.find('\0'), text.size());
  const ParityAnswer one = answer_of(text.substr(0, middle));
  const ParityAnswer other = answer_of(text.substr(std::min(middle + 1, text.size())));

  const Differences none = compare_answers(one, one, {}, {});
  CANARYD_ASSERT(none.compared && none.fields.empty() && !none.cut);

  const Differences found = compare_answers(one, other, {}, {});
  CANARYD_ASSERT(found.compared && found.fields.size() <= Differences::kDifferencesMax);
  CANARYD_ASSERT(found.fields.empty() || one.body != other.body);
  for (const auto& field : found.fields) {
    CANARYD_ASSERT(field.name.size() <= Differences::kPathMax);
    CANARYD_ASSERT(!text_of(field).empty());
  }
  const Differences turned = compare_answers(other, one, {}, {});
  CANARYD_ASSERT(turned.fields.size() == found.fields.size() && turned.cut == found.cut);
  CANARYD_ASSERT(found.cut || turned.fields == found.fields);

  const IgnoredFields ignored({"id", "/items/*/at", "/a~1b"});
  const Differences fewer = compare_answers(one, other, {}, ignored);
  if (found.cut) return 0;
  CANARYD_ASSERT(!fewer.cut);
  CANARYD_ASSERT(std::includes(
      found.fields.begin(), found.fields.end(), fewer.fields.begin(), fewer.fields.end()));
  return 0;
}
