// Puts the transitions that the machine makes into docs/rollout-states.md, or prints them:
//   gen_rollout_states [FILE]
#include "transition_table.hpp"

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

int main(int argc, char** argv) {
  using namespace canaryd::rollout::test;
  if (argc < 2) {
    std::cout << render_transitions();
    return 0;
  }
  std::ifstream in(argv[1], std::ios::binary);
  const std::string document(std::istreambuf_iterator<char>(in), {});
  const std::string fresh = with_transitions(document);
  if (fresh.empty()) {
    std::cerr << "gen_rollout_states: " << argv[1] << " has no place for them\n";
    return 1;
  }
  std::ofstream out(argv[1], std::ios::binary | std::ios::trunc);
  out << fresh;
  return out.flush() ? 0 : 1;
}
