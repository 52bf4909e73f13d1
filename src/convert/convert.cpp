#include "canaryd/convert/convert.hpp"

#include "canaryd/config/load.hpp"
#include "convert/draft.hpp"

#include <algorithm>

namespace canaryd::convert {
namespace {

// Those of one line stay in their order. By hand, because the buffer of std::stable_sort is a
// deprecated function of libstdc++, which another compiler's warnings refuse.
void sort(std::vector<Note>& notes) {
  const auto by_line = [](const Note& a, const Note& b) { return a.line < b.line; };
  for (auto at = notes.begin(); at != notes.end(); ++at) {
    std::rotate(std::upper_bound(notes.begin(), at, *at, by_line), at, at + 1);
  }
}

// What was read is another tool's; that the result is ours, the loader of it says.
void check(Conversion& conversion) {
  config::LoadInput input;
  input.file_name = "result";
  input.text = conversion.yaml;
  for (const config::Problem& problem : config::load(input).problems) {
    Note note{0, problem.message + (problem.hint.empty() ? "" : "; " + problem.hint)};
    const bool error = problem.severity == config::Severity::kError;
    if (error) note.message = "makes no valid configuration: " + note.message;
    if (error) conversion.errors.push_back(std::move(note));
  }
  if (!conversion.errors.empty()) conversion.yaml.clear();
}

}  // namespace

std::optional<Source> parse_source(std::string_view word) noexcept {
  if (word == "argo") return Source::kArgo;
  if (word == "flagger") return Source::kFlagger;
  if (word == "nginx") return Source::kNginx;
  return std::nullopt;
}

Conversion convert(const Input& input) {
  Draft draft;
  if (input.text.size() > config::kMaxFileBytes) {
    draft.error(0, "the file is larger than 1 MiB");
  } else if (input.from == Source::kArgo) {
    read_argo(draft, input.text);
  } else if (input.from == Source::kFlagger) {
    read_flagger(draft, input.text);
  } else {
    read_nginx(draft, input.text);
  }
  sort(draft.warnings);
  sort(draft.errors);
  Conversion conversion;
  if (draft.errors.empty()) conversion.yaml = write(draft, input);
  conversion.warnings = std::move(draft.warnings);
  conversion.errors = std::move(draft.errors);
  if (conversion.errors.empty()) check(conversion);
  return conversion;
}

}  // namespace canaryd::convert
