#include "canaryd/net/socket_budget.hpp"

#include <gtest/gtest.h>

namespace canaryd::net {
namespace {

TEST(SocketBudgetTest, ClientsGetHalfAndUpstreamsTheRest) {
  SocketBudget budget(4);
  EXPECT_TRUE(budget.take_client());
  EXPECT_TRUE(budget.take_client());
  EXPECT_FALSE(budget.take_client());
  EXPECT_TRUE(budget.take_upstream());
  EXPECT_TRUE(budget.take_upstream());
  EXPECT_FALSE(budget.take_upstream());
  EXPECT_EQ(budget.sockets(), 4U);
  budget.give_back_client();
  EXPECT_EQ(budget.clients(), 1U);
  EXPECT_TRUE(budget.take_upstream());
  // A client has a place, but there is no socket left for it.
  EXPECT_FALSE(budget.take_client());
  EXPECT_EQ(budget.clients(), 1U);
  budget.give_back_upstream();
  EXPECT_TRUE(budget.take_client());
}

TEST(SocketBudgetTest, TheLastQuarterIsScarce) {
  SocketBudget budget(8);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(budget.take_upstream());
  EXPECT_FALSE(budget.scarce());
  EXPECT_TRUE(budget.take_client());
  EXPECT_TRUE(budget.scarce());
  budget.give_back_client();
  EXPECT_FALSE(budget.scarce());
  EXPECT_FALSE(SocketBudget().scarce());
}

TEST(SocketBudgetTest, WithoutABoundEverybodyGetsOne) {
  SocketBudget budget;
  EXPECT_TRUE(budget.take_client());
  EXPECT_TRUE(budget.take_upstream());
}

}  // namespace
}  // namespace canaryd::net
