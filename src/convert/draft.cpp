#include "convert/draft.hpp"

#include "canaryd/base/units.hpp"
#include "canaryd/config/query.hpp"

#include <algorithm>

namespace canaryd::convert {
namespace {

constexpr std::size_t kNameMax = 63;

void add(std::vector<Note>& notes,
         std::uint32_t line,
         std::string message,
         bool at_each_line = false) {
  if (notes.size() > kNotesMax) return;
  if (notes.size() == kNotesMax) message = "there are more, which are not listed";
  const bool known = std::any_of(notes.begin(), notes.end(), [&](const Note& note) {
    return note.message == message && (!at_each_line || note.line == line);
  });
  if (!known) notes.push_back({line, std::move(message)});
}

}  // namespace

void Draft::warn(std::uint32_t line, std::string message) {
  add(warnings, line, std::move(message));
}

void Draft::warn_each(std::uint32_t line, std::string message) {
  add(warnings, line, std::move(message), true);
}

void Draft::error(std::uint32_t line, std::string message) {
  add(errors, line, std::move(message));
}

DraftUpstream* Draft::find_upstream(std::string_view name) {
  const auto found = std::find_if(upstreams.begin(), upstreams.end(), [name](const auto& upstream) {
    return upstream.name == name;
  });
  return found == upstreams.end() ? nullptr : &*found;
}

std::uint32_t Written::line_at(std::size_t offset) const noexcept {
  std::uint32_t line = 0;
  for (const Origin& origin : origins) {
    if (origin.begin > offset) break;
    line = origin.line;
  }
  return line;
}

std::string name_from(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (good) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
    if (out.size() == kNameMax) break;
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "unnamed" : out;
}

std::string name_from(Draft& draft, std::uint32_t line, std::string_view text) {
  std::string name = name_from(text);
  if (name != text) {
    draft.warn(line, "the name " + quoted(text) + " is written " + quoted(name) + " here");
  }
  return name;
}

std::optional<std::string> percent_from(std::string_view text, double& value) {
  const auto parsed = parse_percent(text);
  if (!parsed) return std::nullopt;
  value = parsed->percent();
  return format_percent(*parsed);
}

void add_step(Draft& draft, DraftRollout& rollout, std::uint32_t line, std::string_view percent) {
  DraftStep step;
  const auto weight = percent_from(percent, step.percent);
  if (!weight) {
    draft.error(line,
                "the weight " + quoted(percent) +
                    " is not a percentage of 0 to 100 with at most two decimals");
    return;
  }
  step.weight = *weight;
  step.line = line;
  const double last = rollout.steps.empty() ? 0 : rollout.steps.back().percent;
  if (step.percent <= last) {
    draft.warn(line,
               "the step to " + *weight +
                   " % is left out: a canary begins at 0 %, and weights rise from step to step");
    return;
  }
  rollout.steps.push_back(std::move(step));
}

void add_default_steps(DraftRollout& rollout) {
  for (const int weight : {1, 5, 10, 25, 100}) {
    rollout.steps.push_back({std::to_string(weight), static_cast<double>(weight), {}, {}});
  }
}

void finish_steps(DraftRollout& rollout) {
  if (rollout.steps.empty()) return;  // The default steps.
  if (rollout.steps.back().percent < 100) rollout.steps.push_back({"100", 100, {}, {}});
}

bool add_query(Draft& draft, DraftRollout& rollout, DraftQuery query) {
  const auto is_taken = [&](const std::string& name) {
    return std::any_of(rollout.queries.begin(), rollout.queries.end(), [&](const auto& other) {
      return other.name == name;
    });
  };
  const auto is_same = [&](DraftQuery other) {
    other.line = query.line;
    return other == query;
  };
  if (std::any_of(rollout.queries.begin(), rollout.queries.end(), is_same)) return true;
  if (rollout.queries.size() == config::kQueriesMax) {
    draft.warn(query.line,
               "a rollout has at most " + std::to_string(config::kQueriesMax) +
                   " queries: the rest is left out");
    return false;
  }
  const std::string name = query.name;
  for (int i = 2; is_taken(query.name); ++i) {
    query.name = name.substr(0, kNameMax - 3) + "-" + std::to_string(i);
  }
  if (query.name != name) {
    draft.warn(
        query.line,
        "the name " + quoted(name) + " is taken: this one is " + quoted(query.name) + " here");
  }
  rollout.queries.push_back(std::move(query));
  return true;
}

std::string quoted(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (c < 0x20 || c == 0x7f) {
      out += "\\x";
      out += kHex[c >> 4U];
      out += kHex[c & 15U];
    } else {
      // "${" would be a variable.
      if (c == '$' && text.substr(i + 1).starts_with('{')) out += '$';
      out += text[i];
    }
  }
  return out + "\"";
}

}  // namespace canaryd::convert
