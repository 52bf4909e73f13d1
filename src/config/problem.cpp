#include "canaryd/config/problem.hpp"

#include "canaryd/base/text.hpp"
#include "config/json_text.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

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

template <class Items, class NodeOf>
Node list_of(const Items& items, NodeOf node_of) {
  Node list = Node::list();
  for (const auto& item : items) list.items.push_back(node_of(item));
  return list;
}

Node problem_node(const Problem& problem) {
  Node node = Node::map();
  node.add("file", Node::string(problem.file));
  node.add("line", Node::literal(std::to_string(problem.line)));
  node.add("column", Node::literal(std::to_string(problem.column)));
  node.add("severity", Node::string(problem.severity == Severity::kError ? "error" : "warning"));
  node.add("message", Node::string(problem.message));
  node.add("hint", Node::string(problem.hint));
  return node;
}

Node number_node(std::optional<double> number) {
  if (!number) return Node::literal("null");
  std::string text;
  append_json_number(text, *number);
  return Node::literal(text);
}

Node seconds_node(std::optional<Duration> time) {
  if (!time) return number_node(std::nullopt);
  return number_node(std::chrono::duration<double>(*time).count());
}

Node step_node(const StepForecast& step) {
  Node node = Node::map();
  node.add("weight", number_node(step.weight.percent()));
  node.add("seconds", seconds_node(step.time));
  node.add("max_seconds", seconds_node(step.max_duration));
  node.add("detects", number_node(step.detects));
  node.add("detects_stretch", number_node(step.detects_stretch));
  return node;
}

Node forecast_node(const RolloutForecast& forecast) {
  Node node = Node::map();
  node.add("rollout", Node::string(forecast.rollout));
  node.add("rps", number_node(forecast.requests_per_second));
  node.add("error_rate", number_node(forecast.error_rate));
  node.add("learned_seconds", seconds_node(forecast.learned_over));
  node.add("seconds", seconds_node(forecast.time));
  node.add("steps", list_of(forecast.steps, step_node));
  return node;
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

std::string render_problems_json(const std::vector<Problem>& problems,
                                 std::string_view file_name,
                                 const std::vector<RolloutForecast>& forecasts) {
  const std::size_t errors = count_errors(problems);
  Node node = Node::map();
  node.add("file", Node::string(std::string(file_name)));
  node.add("valid", Node::literal(errors == 0 ? "true" : "false"));
  node.add("errors", Node::literal(std::to_string(errors)));
  node.add("problems", list_of(problems, problem_node));
  node.add("feasibility", list_of(forecasts, forecast_node));
  std::string out;
  append_json(out, node, -1);
  return out;
}

}  // namespace canaryd::config
