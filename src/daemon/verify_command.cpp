#include "daemon/verify_command.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/control/history_check.hpp"
#include "canaryd/store/sqlite_store.hpp"

#include <iostream>
#include <string>
#include <utility>

namespace canaryd::daemon {
namespace {

std::string time_or_null(const std::optional<WallTime>& at) {
  return at ? "\"" + format_time(*at) + "\"" : "null";
}

// As the admin API has it.
std::string json_text(const control::HistoryCheckView& view) {
  std::string out = "{\"result\": \"" + std::string(to_string(view.result)) + "\", \"why\": ";
  append_json_string(out, view.why);
  out += ", \"entries\": " + std::to_string(view.entries) +
         ", \"pruned\": " + std::to_string(view.pruned) +
         ", \"first\": " + time_or_null(view.first) + ", \"last\": " + time_or_null(view.last) +
         ", \"head\": \"" + control::to_text(view.head) +
         "\", \"bad_id\": " + (view.bad_id ? std::to_string(*view.bad_id) : "null");
  return out + "}";
}

std::string plain_text(const control::HistoryCheckView& view) {
  std::string result(to_string(view.result));
  if (view.result == control::HistoryResult::kUnknownHead) result = "unknown head";
  const bool one = view.entries == 1;
  std::string out = result + ": " + view.why + "\n  " + std::to_string(view.entries) +
                    (one ? " entry" : " entries");
  if (view.bad_id) out += one ? " before it is good" : " before it are good";
  if (view.first) out += ", from " + format_time(*view.first) + " to " + format_time(*view.last);
  if (view.pruned > 0) {
    out += "; " + std::to_string(view.pruned) + (view.pruned == 1 ? " was" : " were") +
           " taken out by retention";
  }
  return out + "\n  head " + control::to_text(view.head);
}

}  // namespace

int verify_history(const VerifyOptions& options, bool json) {
  store::Verification wanted;
  if (!options.head.empty()) {
    const auto head = control::parse_head(options.head);
    if (!head) {
      std::cerr << "canaryd verify: --head: " << head.error().context << '\n';
      return kExitUsage;
    }
    wanted.known = *head;
  }
  const auto found = store::verify_state_file(options.state_dir, std::move(wanted));
  if (!found) {
    std::cerr << "canaryd verify: " << found.error().context << '\n';
    return kExitFailed;
  }
  const control::HistoryCheckView view = control::view_of(*found);
  std::cout << (json ? json_text(view) : plain_text(view)) << "\n" << std::flush;
  return view.result == control::HistoryResult::kWhole ? kExitDone : kExitFailed;
}

}  // namespace canaryd::daemon
