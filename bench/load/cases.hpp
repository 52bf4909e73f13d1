// The messages of the load benchmark: what the client sends, what the upstream answers.
//
// Thread rule: immutable after its first use.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::bench {

// The letter behind the slash of the target tells the upstream which case a request is of.
struct Case {
  std::string_view name;  // "get-100"
  char letter = ' ';
  std::string request{};  // Head and body.
  std::size_t request_body = 0;
  std::string response{};
  std::size_t response_body = 0;
  bool closes = false;  // A new connection for each request.
};

[[nodiscard]] const std::vector<Case>& all_cases();
// Null when there is none.
[[nodiscard]] const Case* find_case(std::string_view name);
// By the beginning of a request: "GET /a". Null when too little is there, or it is no case.
[[nodiscard]] const Case* case_of_request(std::string_view bytes);

}  // namespace canaryd::bench
