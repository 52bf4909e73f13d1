#include "canaryd/manual/page.hpp"

#include "canaryd/base/man_page.hpp"

namespace canaryd::manual {
namespace {

std::string term_of(const Option& option) {
  std::string out;
  for (const std::string& name : option.names) out += (out.empty() ? "" : ", ") + name;
  return out + (option.value.empty() ? "" : " " + option.value);
}

std::string text_of(const Option& option) {
  std::string out = option.help;
  if (!out.empty() && out.back() != '.') out += '.';
  if (!option.default_value.empty()) out += " Default: " + option.default_value + ".";
  if (!option.environment.empty()) out += " Environment: " + option.environment + ".";
  if (option.required) out += " Required.";
  return out;
}

void add_options(ManPage& page, const std::vector<Option>& options) {
  for (const Option& option : options) {
    if (option.names.back() == "--help") continue;
    page.term(term_of(option), text_of(option));
  }
}

}  // namespace

std::string render_man(const Program& program, const Page& text) {
  ManPage page(program.name, text.section, program.summary, "canaryd " + program.version);
  page.section("SYNOPSIS");
  page.paragraph(program.name + " [OPTION]... COMMAND [ARGUMENT]...");
  page.section("DESCRIPTION").paragraph(text.description);
  page.section("OPTIONS");
  add_options(page, program.options);
  page.term("-h, --help", "Of the program; behind a command, of that.");
  page.section("COMMANDS");
  for (const Command& command : program.commands) {
    const std::string& help = command.help;
    page.term(synopsis(command), help + (help.ends_with('.') ? "" : "."));
    page.begin_indent();
    for (const Option& positional : command.positionals) {
      page.term(positional.names.front(), text_of(positional));
    }
    add_options(page, command.options);
    page.end_indent();
  }
  for (const Part& part : text.parts) {
    page.section(part.title);
    for (const auto& [term, meaning] : part.terms) {
      if (meaning.empty()) {
        page.paragraph(term);
      } else {
        page.term(term, meaning);
      }
    }
  }
  return page.text();
}

}  // namespace canaryd::manual
