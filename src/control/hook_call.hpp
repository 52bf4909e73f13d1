// One call of a hook: a POST with a JSON body, or a program that gets it as its standard input.
//
// Thread rule: the control thread.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/hook.hpp"
#include "canaryd/control/controller.hpp"
#include "canaryd/control/exec_io.hpp"
#include "canaryd/control/http_io.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace canaryd::control {

class HookCaller {
 public:
  // Nothing: a 2xx, or exit code 0. Else what went wrong, in words that hold no secret.
  using Done = std::function<void(Result<void>)>;

  HookCaller(HttpIo* http, ExecIo* exec, ReadFile read_file, Log& log)
      : http_(http), exec_(exec), read_file_(std::move(read_file)), log_(log) {}

  // `done` runs later or at once, and may be dropped uncalled when the process ends. The rollout is
  // for the log.
  void call(const config::Hook& hook, const std::string& rollout, std::string body, Done done);

 private:
  [[nodiscard]] Result<HttpUrl> url_of(const config::Hook& hook) const;
  void ask(const config::Hook& hook, std::string body, Done done);
  void run(const config::Hook& hook, const std::string& rollout, std::string body, Done done);

  HttpIo* http_;
  ExecIo* exec_;
  ReadFile read_file_;
  Log& log_;
};

// Where it leads: the URL, the file that holds it, or the command. Tells hooks apart, and may hold
// a secret.
[[nodiscard]] std::string target_of(const config::Hook& hook);
// The same for people: the URL masked, and of a command its program alone.
[[nodiscard]] std::string shown_target(const config::Hook& hook);

// Doubles from one second on, up to `most`, for each failure in a row.
[[nodiscard]] Duration back_off(std::uint32_t failures, Duration most) noexcept;

// Calls of one rollout by their result, for metrics.
struct HookCounts {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;
};
using HookTally = std::map<std::string, HookCounts>;  // By rollout.

}  // namespace canaryd::control
