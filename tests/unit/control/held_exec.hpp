// Programs that end when the test says so.
#pragma once

#include "canaryd/control/exec_io.hpp"

#include <utility>
#include <vector>

namespace canaryd::control::test {

class HeldExec final : public ExecIo {
 public:
  void run(ExecCall call, Done done) override {
    calls.push_back(std::move(call));
    last = std::move(done);
  }
  std::vector<ExecCall> calls;
  Done last;  // Of the last one.
};

}  // namespace canaryd::control::test
