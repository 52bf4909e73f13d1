// Prints the cohort of many users at several weights, as the data plane decides it, so that
// test_keys.py can compare processes with each other and with the daemon.
//
// cohort_decisions SALT COUNT: a line for each of user-0 to user-(COUNT-1), with one letter for
// each weight below: c for canary, s for stable.
#include "canaryd/base/ip.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/routing/cohort_pick.hpp"
#include "unit/routing/requests.hpp"

#include <array>
#include <charconv>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using canaryd::Cohort;
using canaryd::IpAddress;
using canaryd::Random;
namespace routing = canaryd::routing;

// Basis points; test_keys.py has the same list.
constexpr std::array kWeights{10U, 100U, 500U, 1000U, 2500U, 5000U, 7500U, 10000U};

void print_decisions(const std::string& salt, int count) {
  std::vector<routing::Rollout> rollouts;
  for (const unsigned weight : kWeights) {
    rollouts.push_back(routing::test::make_rollout(weight, salt));
  }
  Random random(1);
  const IpAddress client = IpAddress::v4({127, 0, 0, 1});
  for (int i = 0; i < count; ++i) {
    const std::string user = "user-" + std::to_string(i);
    const auto fields = routing::test::fields({{"X-User", user}});
    std::string line;
    for (const routing::Rollout& rollout : rollouts) {
      const auto pick = routing::pick_cohort(rollout, {fields, "", client, false, random});
      line.push_back(pick.cohort == Cohort::kCanary ? 'c' : 's');
    }
    std::cout << line << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv, argv + argc);
  int count = 0;
  if (arguments.size() == 3) {
    const std::string_view text = arguments[2];
    std::from_chars(text.data(), text.data() + text.size(), count);
  }
  if (count <= 0) {
    std::cerr << "usage: cohort_decisions SALT COUNT\n";
    return 2;
  }
  print_decisions(std::string(arguments[1]), count);
  return std::cout.good() ? 0 : 1;
}
