// docs/rollout-states.md has the transitions that the machine makes.
#include "transition_table.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace canaryd::rollout::test {
namespace {

TEST(TransitionTableTest, TheDocumentHasIt) {
  const std::string path = std::string(CANARYD_SOURCE_DIR "/") + "docs/rollout-states.md";
  std::ifstream file(path, std::ios::binary);
  const std::string document(std::istreambuf_iterator<char>(file), {});
  const std::string fresh = with_transitions(document);
  ASSERT_FALSE(fresh.empty());
  if (std::getenv("CANARYD_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << fresh;
  }
  EXPECT_EQ(document, fresh) << "gen_rollout_states docs/rollout-states.md";
}

TEST(TransitionTableTest, HasTheWaysThatEverybodyKnows) {
  const std::string text = render_transitions();
  for (const char* row : {"| `idle` | `progressing` | `start` | `started` |",
                          "| `progressing` | `progressing` | ",
                          "| `suspended` | `rolled_back` | ",
                          "| `retiring` | `retired` | "}) {
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
  // Nothing leads out of it.
  EXPECT_EQ(text.find("| `retired` | `idle` |"), std::string::npos);
  EXPECT_NE(text.find("under_way --> aborted: abort"), std::string::npos);
}

}  // namespace
}  // namespace canaryd::rollout::test
