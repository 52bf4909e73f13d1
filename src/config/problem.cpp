#include "canaryd/config/problem.hpp"

#include "config/json_text.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

std::string count_of(std::size_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

void append_excerpt(const Problem& problem, std::string& out) {
  std::string number = std::to_string(problem.line);
  number.insert(0, number.size() < 5 ? 5 - number.size() : 0, ' ');
  out += number + " | " + problem.source_line + "\n";
  out += std::string(number.size(), ' ') + " | " + std::string(problem.column - 1, ' ') + "^" +
         std::string(problem.length - 1, '~') + "\n";
}

}  // namespace

std::size_t count_errors(const std::vector<Problem>& problems) noexcept {
  return static_cast<std::size_t>(
      std::count_if(problems.begin(), problems.end(), [](const Problem& problem) {
        return problem.severity == Severity::kError;
      }));
}

std::string render_problems_text(const std::vector<Problem>& problems, std::string_view file_name) {
  if (problems.empty()) return {};
  std::string out;
  for (const Problem& problem : problems) {
    out += problem.file;
    if (problem.line > 0) {
      out += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
    }
    out += problem.severity == Severity::kError ? ": error: " : ": warning: ";
    out += problem.message;
    if (!problem.hint.empty()) out += "; " + problem.hint;
    out += '\n';
    if (!problem.source_line.empty()) append_excerpt(problem, out);
  }
  out += count_of(problems.size(), "problem") + " (" + count_of(count_errors(problems), "error") +
         ") in " + std::string(file_name) + "\n";
  return out;
}

std::string render_problems_json(const std::vector<Problem>& problems, std::string_view file_name) {
  Node list = Node::list();
  for (const Problem& problem : problems) {
    Node item = Node::map();
    item.add("file", Node::string(problem.file));
    item.add("line", Node::literal(std::to_string(problem.line)));
    item.add("column", Node::literal(std::to_string(problem.column)));
    item.add("severity", Node::string(problem.severity == Severity::kError ? "error" : "warning"));
    item.add("message", Node::string(problem.message));
    item.add("hint", Node::string(problem.hint));
    list.items.push_back(std::move(item));
  }
  const std::size_t errors = count_errors(problems);
  Node node = Node::map();
  node.add("file", Node::string(std::string(file_name)));
  node.add("valid", Node::literal(errors == 0 ? "true" : "false"));
  node.add("errors", Node::literal(std::to_string(errors)));
  node.add("problems", std::move(list));
  std::string out;
  append_json(out, node, -1);
  return out;
}

}  // namespace canaryd::config
