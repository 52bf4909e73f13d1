#include "cli/parity_text.hpp"

#include "cli/figures.hpp"

#include <algorithm>

namespace canaryd::cli {
namespace {

constexpr std::size_t kFieldsMax = 20;

std::string of(JsonView figures) {
  return format_count(figures["different"].number()) + " of " +
         format_count(figures["compared"].number());
}

std::string state_line(JsonView parity) {
  const std::string state = parity["state"].text();
  const JsonView concluded = parity["concluded"];
  std::string text = "reads: ";
  if (concluded.is_object()) {
    text += (state == "shown" ? "the versions agree, " : "the versions differ, ") + of(concluded) +
            " differed; now ";
  }
  text += of(parity["now"]) + " differ, at most " + format_share(parity["max_diff"].number()) +
          " % may";
  if (const auto more = parity["needs_requests"].number()) {
    text += "; about " + format_count(*more) + " more show that they agree";
  }
  return text;
}

std::string field_text(JsonView field) {
  const std::string name = field["field"].text();
  const std::string path = field["path"].text();
  return field["kind"].text() + (name.empty() ? "" : " " + name) +
         (path.empty() ? "" : " of " + path);
}

// What is not in the figures, and why it is not.
std::string left_out_line(JsonView parity) {
  return "  not in these: " + format_count(parity["learnt_from"].number()) +
         " to learn what is noise, " + format_count(parity["not_compared"].number()) +
         " too long or broken off, " + format_count(parity["unanswered"].number()) +
         " that stable did not answer, " + format_count(parity["busy"].number()) +
         " not asked because too much was under way";
}

}  // namespace

std::vector<std::string> parity_lines(JsonView rollout) {
  const JsonView parity = rollout["parity"];
  if (!parity.is_object()) return {};
  std::vector<std::string> lines{state_line(parity), left_out_line(parity)};
  const JsonView fields = parity["fields"];
  for (std::size_t i = 0; i < std::min(fields.size(), kFieldsMax); ++i) {
    lines.push_back("  differs: " + field_text(fields[i]) + ", of the canary alone in " +
                    format_count(fields[i]["canary"].number()) + ", of stable itself in " +
                    format_count(fields[i]["stable"].number()));
  }
  const JsonView noise = parity["noise"];
  for (std::size_t i = 0; i < std::min(noise.size(), kFieldsMax); ++i) {
    lines.push_back("  noise: " + field_text(noise[i]) + ", of stable itself in " +
                    format_count(noise[i]["stable"].number()));
  }
  return lines;
}

}  // namespace canaryd::cli
