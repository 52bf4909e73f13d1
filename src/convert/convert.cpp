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

// Of a place whose column counts characters, not bytes.
std::size_t offset_of(std::string_view text, const config::Problem& problem) {
  std::size_t offset = 0;
  for (std::uint32_t line = 1; line < problem.line && offset < text.size(); ++line) {
    offset = std::min(text.find('\n', offset), text.size() - 1) + 1;
  }
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
  };
  for (std::uint32_t column = 1; column < problem.column && offset < text.size(); ++column) {
    ++offset;
    while (offset < text.size() && continues(offset)) ++offset;
  }
  return offset;
}

// What was read is another tool's; that the result is ours, the loader of it says. The line is that
// of what the part of the result was made of.
void check(const Written& page, Conversion& conversion) {
  config::LoadInput input;
  input.file_name = "result";
  input.text = page.yaml;
  for (const config::Problem& problem : config::load(input).problems) {
    const std::uint32_t line = problem.line == 0 ? 0 : page.line_at(offset_of(page.yaml, problem));
    Note note{line, problem.message + (problem.hint.empty() ? "" : "; " + problem.hint)};
    const bool error = problem.severity == config::Severity::kError;
    if (error) note.message = "makes no valid configuration: " + note.message;
    if (error) conversion.errors.push_back(std::move(note));
  }
  if (conversion.errors.empty()) conversion.yaml = page.yaml;
  sort(conversion.errors);
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
  if (draft.errors.empty()) check(write(draft, input), conversion);
  if (!draft.errors.empty()) conversion.errors = std::move(draft.errors);
  conversion.warnings = std::move(draft.warnings);
  return conversion;
}

}  // namespace canaryd::convert
