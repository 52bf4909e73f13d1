#include "canaryd/telemetry/tap.hpp"

#include "canaryd/telemetry/access_log.hpp"
#include "telemetry/access_format.hpp"
#include "telemetry/byte_ring.hpp"
#include "telemetry/line_clock.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace canaryd::telemetry {
namespace {

constexpr Duration kInterval = Duration(std::chrono::seconds(1)) / Tap::kPerSecond;
constexpr std::uint16_t kServerError = 500;

}  // namespace

bool TapFilter::matches(const AccessRecord& record) const noexcept {
  if (cohort && record.cohort != *cohort) return false;
  if (!route.empty() && record.route != route) return false;
  return !errors_only || !record.error.empty() || record.status >= kServerError ||
         record.upstream_status >= kServerError;
}

// One worker writes, control reads.
struct Tap::Share {
  // Whether the sample takes one more: the generic cell rate algorithm (ITU-T I.371, annex A), a
  // token bucket that keeps one time instead of a level.
  bool admit(Monotonic now) noexcept {
    const Monotonic due = std::max(due_at, now);
    if (due - now > (kBurst - 1) * kInterval) {
      left_out.store(left_out.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return false;
    }
    due_at = due + kInterval;
    return true;
  }

  ByteRing ring{kRingBytes, AccessLog::kLineBytesMax};
  Monotonic due_at = Monotonic::min();
  std::atomic<std::uint64_t> left_out{0};
};

Tap::Tap(TapFilter filter, std::size_t workers) : filter_(std::move(filter)) {
  for (std::size_t i = 0; i < workers; ++i) shares_.push_back(std::make_unique<Share>());
}

Tap::~Tap() = default;

void Tap::drain(const std::function<void(std::string_view)>& take) {
  for (const auto& share : shares_) {
    ByteRing& ring = share->ring;
    std::size_t left = ring.capacity();
    while (left > 0) {
      const std::string_view lines = ring.readable();
      if (lines.empty()) break;
      for (std::size_t begin = 0; begin < lines.size();) {
        const std::size_t end = lines.find('\n', begin);
        take(lines.substr(begin, end - begin));
        begin = end + 1;
      }
      ring.consume(lines.size());
      left -= std::min(left, lines.size());
    }
  }
}

std::uint64_t Tap::left_out() const noexcept {
  std::uint64_t all = 0;
  for (const auto& share : shares_) {
    all += share->left_out.load(std::memory_order_relaxed) + share->ring.dropped();
  }
  return all;
}

TapSink::TapSink(std::size_t worker, const Clock& clock)
    : worker_(worker), clock_(std::make_unique<LineClock>(clock)) {}

TapSink::~TapSink() = default;

void TapSink::use(std::shared_ptr<const TapList> taps) noexcept {
  taps_ = taps != nullptr && !taps->empty() ? std::move(taps) : nullptr;
}

void TapSink::write(const AccessRecord& record) noexcept {
  for (const auto& tap : *taps_) {
    if (!tap->filter_.matches(record)) continue;
    Tap::Share& share = *tap->shares_[worker_];
    if (!share.admit(record.ended_at)) continue;
    char* const line = share.ring.begin_line();
    if (line == nullptr) continue;
    const LineTimes times = clock_->times(record, AccessFormat::kJson);
    share.ring.end_line(write_json_line(line, record, times));
  }
}

}  // namespace canaryd::telemetry
