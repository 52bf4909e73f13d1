// One run of one command against a daemon: what was asked for, whom, and where the answer goes.
//
// A command returns the exit code. Thread rule: one thread; everything blocks.
#pragma once

#include "canaryd/cli/commands.hpp"
#include "canaryd/cli/status_screen.hpp"
#include "cli/daemon.hpp"
#include "cli/follow.hpp"
#include "cli/options.hpp"

#include <boost/json/array.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::cli {

class Command {
 public:
  Command(const Options& options, Daemon daemon, Environment& environment)
      : options_(options), daemon_(std::move(daemon)), environment_(environment) {}

  int run();

 private:
  static constexpr const char* kRollouts = "/api/v1/rollouts";

  // How all of them answer.
  [[nodiscard]] ScreenOptions screen() const;
  [[nodiscard]] bool wants_json() const { return options_.output == "json"; }
  int report(const Failure& failure);
  int print(const Outcome<std::string>& text);
  Outcome<std::string> pretty(const std::string& body);
  static Outcome<std::string> or_failure(Result<std::string> text);

  // What changes nothing.
  int status();
  Outcome<Frame> draw_list();
  Outcome<Frame> draw_rollout();
  int history();
  Outcome<void> add_rows(const std::string& rollout,
                         std::string_view part,
                         boost::json::array& rows);
  int verify_history();
  int explain();
  int verify(const std::string& target);
  int explain_route();
  int migration();
  int check();
  int config();
  int rollout_names();
  Outcome<std::vector<std::string>> names();
  int dry_retirement();

  // What changes something: command_changes.cpp.
  int act();
  Outcome<bool> confirm();
  Outcome<bool> confirm(const std::string& what, const std::string& question);
  std::string approval_line(const std::string& answer);
  static std::string pause_line(const std::string& answer);
  int feedback();
  int daemon_wide(const std::string& level);
  void print_warnings(const std::string& answer);
  int report_problems(const Failure& failure);
  [[nodiscard]] std::string body() const;
  [[nodiscard]] std::vector<client::Header> conditions() const;

  const Options& options_;
  Daemon daemon_;
  Environment& environment_;
};

}  // namespace canaryd::cli
