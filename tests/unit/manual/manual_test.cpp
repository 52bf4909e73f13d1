#include "canaryd/base/man_page.hpp"
#include "canaryd/manual/completion.hpp"
#include "canaryd/manual/page.hpp"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

namespace canaryd::manual {
namespace {

struct Values {
  std::string text;
  std::vector<std::string> files;
  int number = 7;
  bool flag = false;
};

Program make(Values& values) {
  CLI::App app{"tool: does 'things'", "tool"};
  app.add_option("-o,--output", values.text, "How [shown]")->check(CLI::IsMember({"a", "b"}));
  CLI::App* const show = app.add_subcommand("show", "Show: one of them");
  show->add_option("ROLLOUT", values.text, "Its name")->required();
  show->add_option("--limit", values.number, "How many")->capture_default_str();
  show->add_flag("-w,--watch", values.flag, "Go on");
  CLI::App* const load = app.add_subcommand("load", "Load files");
  load->add_option("FILE", values.files, "Which")->type_name("FILE");
  load->add_option("--dir", values.text, "Where")->type_name("DIR")->envname("TOOL_DIR");
  return describe(app, "1.2.3");
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Manual, ReadsTheParser) {
  Values values;
  const Program program = make(values);
  EXPECT_EQ(program.name, "tool");
  EXPECT_EQ(program.summary, "does 'things'");
  ASSERT_EQ(program.commands.size(), 2U);
  const Command& show = program.commands[0];
  EXPECT_EQ(synopsis(show), "show ROLLOUT [--limit N] [--watch]");
  EXPECT_TRUE(show.positionals.at(0).required);
  EXPECT_EQ(synopsis(program.commands[1]), "load [FILE...] [--dir DIR]");
  EXPECT_TRUE(program.commands[1].positionals.at(0).repeatable);
  for (const Option& option : program.options) {
    if (option.names.back() != "--output") continue;
    EXPECT_EQ(option.names.front(), "-o");
    EXPECT_EQ(option.value, "a|b");
  }
}

TEST(Manual, WritesAPage) {
  Values values;
  Page page;
  page.section = 1;
  page.description = ".not a request";
  page.parts.push_back({"EXIT STATUS", {{"0", "Back\\slash."}}});
  const std::string text = render_man(make(values), page);
  EXPECT_TRUE(has(text, ".TH \"TOOL\" 1 \"\" \"canaryd 1.2.3\"\n")) << text;
  EXPECT_TRUE(has(text, "\ntool \\- does \\(aqthings\\(aq\n")) << text;
  EXPECT_TRUE(has(text, "\n\\&.not a request\n")) << text;
  EXPECT_TRUE(has(text, ".B \"show ROLLOUT [\\-\\-limit N] [\\-\\-watch]\"\nShow: one of them.\n"))
      << text;
  EXPECT_TRUE(has(text, ".B \"\\-\\-limit N\"\nHow many. Default: 7.\n")) << text;
  EXPECT_TRUE(has(text, "Where. Environment: TOOL_DIR.\n")) << text;
  EXPECT_TRUE(has(text, ".B \"0\"\nBack\\eslash.\n")) << text;
}

TEST(Manual, CompletesInEveryShell) {
  Values values;
  const Program program = make(values);
  for (const char* const shell : {"bash", "zsh", "fish"}) {
    const std::string text = render_completion(program, shell);
    for (const char* const part : {"show", "load", "limit", "watch", "completion rollouts"}) {
      EXPECT_TRUE(has(text, part)) << shell << " has no " << part << "\n" << text;
    }
  }
  EXPECT_TRUE(has(render_zsh(program), "'show:Show\\: one of them'")) << render_zsh(program);
  EXPECT_TRUE(has(render_zsh(program), "'-o[How \\[shown\\]]:a|b:(a b)'")) << render_zsh(program);
  EXPECT_EQ(render_completion(program, "tcsh"), "");
}

}  // namespace
}  // namespace canaryd::manual
