// A restart in the midst of an outage of both versions: what the daemon knew of it is gone, and
// that it knows nothing is no news of its end.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

class TroubleRestartTest : public ControllerRig {
 protected:
  void restart() {
    power_off();
    boot();
  }
};

TEST_F(TroubleRestartTest, WhatIsHeldForItStaysHeld) {
  boot();
  for (int i = 0; i < 5; ++i) second();
  ASSERT_EQ(view().state, "progressing");
  for (int i = 0; i < 5; ++i) second(1800, 200);
  ASSERT_EQ(view().state, "held");
  ASSERT_EQ(view().reason, "environment_degraded");
  restart();
  for (int i = 0; i < 20; ++i) {
    second(1800, 200);
    EXPECT_EQ(view().state, "held") << i;
  }
  for (int i = 0; i < 15; ++i) second();
  EXPECT_EQ(view().state, "progressing") << "it is over, and somebody has seen it";
}

// Nothing says otherwise within as much as is looked at, and there is nothing to wait for.
TEST_F(TroubleRestartTest, WithoutFailuresItGoesOnInTenSeconds) {
  boot();
  for (int i = 0; i < 5; ++i) second();
  for (int i = 0; i < 5; ++i) second(1800, 200);
  ASSERT_EQ(view().state, "held");
  restart();
  for (int i = 0; i < 8; ++i) {
    second();
    EXPECT_EQ(view().state, "held") << i;
  }
  for (int i = 0; i < 4; ++i) second();
  EXPECT_EQ(view().state, "progressing");
}

}  // namespace
}  // namespace canaryd::control::test
