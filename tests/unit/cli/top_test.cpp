#include "cli/top.hpp"

#include "support/scripted_server.hpp"
#include "terminal.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

using namespace std::chrono_literals;

std::string line(
    const char* route, const char* rollout, const char* cohort, const char* code, int count) {
  return std::string("canaryd_requests_total{route=\"") + route + "\",rollout=\"" + rollout +
         "\",cohort=\"" + cohort + "\",code_class=\"" + code + "\"} " + std::to_string(count) +
         "\n";
}
std::string page(int stable, int canary, int failed, int files) {
  return "# TYPE canaryd_requests_total counter\n" + line("shop", "web", "stable", "2xx", stable) +
         line("shop", "web", "canary", "2xx", canary) +
         line("shop", "web", "canary", "5xx", failed) + line("files", "", "none", "2xx", files) +
         "canaryd_requests_active{rollout=\"web\",cohort=\"canary\"} 3\n";
}
const ScreenOptions kScreen{.columns = 100, .color = false, .utf8 = true};

TEST(Top, RatesComeFromTwoLooks) {
  TopRates rates;
  rates.look(page(100, 10, 0, 5), Monotonic(1s));
  EXPECT_EQ(rates.table(kScreen),
            "ROUTE  ROLLOUT  COHORT REQUESTS/S       5XX   ACTIVE     REQUESTS\n"
            "shop   web      stable          -         -        0          100\n"
            "shop   web      canary          -         -        3           10\n"
            "files  -        -               -         -        0            5\n");
  rates.look(page(100, 25, 5, 105), Monotonic(3s));
  EXPECT_EQ(rates.table(kScreen),
            "ROUTE  ROLLOUT  COHORT REQUESTS/S       5XX   ACTIVE     REQUESTS\n"
            "files  -        -            50.0    0.00 %        0          105\n"
            "shop   web      canary       10.0    25.0 %        3           30\n"
            "shop   web      stable       0.00         -        0          100\n");
}

TEST(Top, NamesGiveWayToFigures) {
  TopRates rates;
  const char* const route = "checkout-service-eu-central";
  rates.look(
      line(route, "checkout-service-rollout", "canary", "2xx", 9) + line("a", "", "none", "2xx", 4),
      Monotonic(1s));
  EXPECT_EQ(rates.table({.columns = 80, .color = false, .utf8 = true}),
            "ROUTE          ROLLOUT         COHORT REQUESTS/S       5XX   ACTIVE     REQUESTS\n"
            "checkout-ser…  checkout-serv…  canary          -         -        0            9\n"
            "a              -               -               -         -        0            4\n");
  const std::string wide = rates.table({.columns = 1'000'000, .color = false, .utf8 = true});
  EXPECT_NE(wide.find("checkout-service-eu-central  checkout-service-rollout  canary"),
            std::string::npos)
      << wide;
}

// A figure is shown whole or not at all.
TEST(Top, NarrowTerminalsHaveFewerFigures) {
  TopRates rates;
  const auto counts = [](int good, int failed) {
    return line("checkout-service", "web-rollout", "canary", "2xx", good) +
           line("checkout-service", "web-rollout", "canary", "5xx", failed);
  };
  rates.look(counts(1234000, 0), Monotonic(1s));
  rates.look(counts(1234549, 100), Monotonic(2s));
  const auto at = [&](int columns) {
    return rates.table({.columns = columns, .color = false, .utf8 = true});
  };
  EXPECT_EQ(at(65),
            "ROUTE  ROLLOUT  COHORT REQUESTS/S       5XX   ACTIVE     REQUESTS\n"
            "chec…  web-ro…  canary        649    15.4 %        0      1234649\n");
  EXPECT_EQ(at(60),
            "ROUTE       ROLLOUT     COHORT REQUESTS/S       5XX   ACTIVE\n"
            "checkout-…  web-rollo…  canary        649    15.4 %        0\n");
  EXPECT_EQ(at(50),
            "ROUTE      ROLLOUT     COHORT REQUESTS/S       5XX\n"
            "checkout…  web-rollo…  canary        649    15.4 %\n");
  EXPECT_EQ(at(40),
            "ROUTE        COHORT REQUESTS/S       5XX\n"
            "checkout-s…  canary        649    15.4 %\n");
  EXPECT_EQ(at(30),
            "ROUTE        COHORT REQUESTS/S\n"
            "checkout-s…  canary        649\n");
}

TEST(Top, CopiesForAMirrorHaveARowOfTheirOwn) {
  TopRates rates;
  rates.look(line("files", "", "none", "2xx", 9) + line("files", "", "shadow", "2xx", 4),
             Monotonic(1s));
  EXPECT_NE(rates.table(kScreen).find("files  -        shadow"), std::string::npos)
      << rates.table(kScreen);
  EXPECT_NE(rates.json().find("\"cohort\": \"shadow\""), std::string::npos) << rates.json();
  EXPECT_EQ(rates.json().find("\"none\""), std::string::npos) << rates.json();
}

TEST(Top, EachRolloutOfARouteHasRowsOfItsOwn) {
  TopRates rates;
  rates.look(line("shop", "to-v2", "canary", "2xx", 9) + line("shop", "to-v3", "canary", "2xx", 4),
             Monotonic(1s));
  rates.look(line("shop", "to-v2", "canary", "2xx", 19) + line("shop", "to-v3", "canary", "2xx", 6),
             Monotonic(2s));
  EXPECT_EQ(rates.table(kScreen),
            "ROUTE  ROLLOUT  COHORT REQUESTS/S       5XX   ACTIVE     REQUESTS\n"
            "shop   to-v2    canary       10.0    0.00 %        0           19\n"
            "shop   to-v3    canary       2.00    0.00 %        0            6\n");
}

TEST(Top, LooksBackAFewSecondsOnly) {
  TopRates rates;
  for (int second = 0; second < 20; ++second) {
    rates.look(page(second < 10 ? 1000 * second : 9000, 0, 0, 0), Monotonic(second * 1s));
  }
  EXPECT_NE(rates.table(kScreen).find("stable       0.00"), std::string::npos)
      << rates.table(kScreen);
}

TEST(Top, ARestartBeginsAnew) {
  TopRates rates;
  rates.look(page(100, 10, 0, 5), Monotonic(1s));
  rates.look(page(1, 0, 0, 0), Monotonic(2s));
  EXPECT_NE(rates.json().find("\"rps\": null"), std::string::npos) << rates.json();
}

TEST(Top, AnythingElseIsNoRow) {
  TopRates rates;
  rates.look("", Monotonic(1s));
  rates.look("canaryd_requests_total{\ncanaryd_requests_total 5\nx", Monotonic(2s));
  EXPECT_TRUE(rates.table(kScreen).starts_with("ROUTE"));
}

class TopCommandTest : public testing::Test {
 protected:
  TopCommandTest() { terminal_.address = admin_.address; }
  test::AdminFixture admin_;
  Terminal terminal_;
};

// Over three seconds, for the daemon counts once a second.
TEST_F(TopCommandTest, PrintsThreeSecondsWithoutATerminal) {
  admin_.backend.metrics = page(100, 10, 0, 5);
  terminal_.at_wait = [this](int) {
    admin_.backend.metrics = page(130, 10, 0, 5);
    return true;
  };
  EXPECT_EQ(terminal_.run({"top"}), kExitDone) << terminal_.err.str();
  EXPECT_NE(terminal_.out.str().find("stable       10.0"), std::string::npos)
      << terminal_.out.str();
  EXPECT_EQ(terminal_.run({"top", "-o", "json"}), kExitDone);
  EXPECT_NE(terminal_.out.str().find("\"requests\": 130"), std::string::npos)
      << terminal_.out.str();
}

TEST_F(TopCommandTest, IsRedrawnOnATerminal) {
  admin_.backend.metrics = page(100, 10, 0, 5);
  terminal_.is_terminal = true;
  terminal_.at_wait = [](int waits) { return waits < 2; };
  EXPECT_EQ(terminal_.run({"top"}), kExitDone) << terminal_.err.str();
  EXPECT_NE(terminal_.out.str().find("\x1b[4A"), std::string::npos) << terminal_.out.str();
}

}  // namespace
}  // namespace canaryd::cli
