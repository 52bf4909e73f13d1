// Collects problems while a file is read, and gives them their place, excerpt and underline.
#pragma once

#include "canaryd/config/load.hpp"
#include "canaryd/config/problem.hpp"
#include "canaryd/config/yaml_tree.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

class Report {
 public:
  // The input must outlive the report.
  explicit Report(const LoadInput& input);

  void add(Severity severity, const Place& place, std::string message, std::string hint = {});

  // No more errors are taken: there are far more than will be shown.
  [[nodiscard]] bool full() const noexcept;
  [[nodiscard]] bool has_errors() const noexcept { return errors_ > 0; }

  // In the order of the file, at most kMaxProblems and one that says that there are more, which is
  // an error if one was left out; leaves the report empty.
  [[nodiscard]] std::vector<Problem> take();

 private:
  struct Located {
    std::size_t order = 0;  // Of discovery, where places are equal.
    Place place;
    Problem problem;
  };
  void shorten(std::vector<Problem>& problems);

  const LoadInput& input_;
  std::vector<std::string_view> lines_;
  std::vector<Located> problems_;
  std::size_t errors_ = 0;  // Of them.
  bool left_out_errors_ = false;
  bool left_out_warnings_ = false;
};

// Text from the file as it may stand in a message: control characters replaced, cut after 60
// characters, in quotes.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace canaryd::config
