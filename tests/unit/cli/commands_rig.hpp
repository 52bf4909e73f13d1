// canaryctl in a terminal made of strings, against an admin server whose backend is a fake.
#pragma once

#include "support/fake_backend.hpp"
#include "terminal.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace canaryd::cli {

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() { terminal_.address = admin_.address; }
  int run(std::vector<std::string> arguments) { return terminal_.run(std::move(arguments)); }
  std::string out() const { return terminal_.out.str(); }
  std::string err() const { return terminal_.err.str(); }
  const control::ActionRequest& last_action() const { return admin_.backend.actions.back(); }

  test::AdminFixture admin_;
  Terminal terminal_;
};

}  // namespace canaryd::cli
