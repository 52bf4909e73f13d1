// A recording: whatever the lines are, each is read or refused with a short, printable sentence,
// and those that are read are judged to an end whose counts agree with what went in.
#include "canaryd/base/error.hpp"
#include "canaryd/replay/report.hpp"
#include "fuzz/fuzz_target.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

using namespace canaryd;

namespace {

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

void check_request(const replay::RecordedRequest& request) {
  CANARYD_ASSERT(request.ended_ms >= 0 && request.ended_ms <= replay::kTimeMsMax);
  CANARYD_ASSERT(request.started_ms <= request.ended_ms);
  CANARYD_ASSERT(request.cohort != Cohort::kNone);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text = canaryd::fuzz::text_of(data, size);
  rollout::Plan plan;
  plan.name = "shop";
  replay::LineReader reader("shop", analysis::ErrorClasses{}, {}, {"old", "new"});
  replay::Replay replay(plan, analysis::Settings{});
  replay::LineCounts lines;
  reader.begin_file();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto request = reader.read(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++lines.read;
    if (!request) {
      CANARYD_ASSERT(request.error().context.size() < 400 && is_printable(request.error().context));
      ++lines.skipped;
      continue;
    }
    if (!*request) continue;
    check_request(**request);
    if (replay.add(**request)) ++lines.evidence;
  }
  const replay::Outcome outcome = replay.finish();
  CANARYD_ASSERT(outcome.canary_requests + outcome.stable_requests + outcome.late_requests <=
                 lines.evidence);
  const bool rolled_back = outcome.decision == analysis::Decision::kRollback;
  CANARYD_ASSERT(!rolled_back || outcome.canary_requests > 0);
  CANARYD_ASSERT(!replay::render_text(outcome, lines).empty());
  CANARYD_ASSERT(replay::render_json(outcome, lines).ends_with("}}\n"));
  return 0;
}
