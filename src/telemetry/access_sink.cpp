// The worker's half of the access log: policy, time, one line into the ring.
#include "canaryd/telemetry/access_log.hpp"
#include "telemetry/access_format.hpp"
#include "telemetry/access_wake.hpp"
#include "telemetry/byte_ring.hpp"
#include "telemetry/line_writer.hpp"

#include <algorithm>

namespace canaryd::telemetry {
namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr Duration kCompareEvery = std::chrono::seconds(1);

// FNV-1a, for a request without key. Not keyed: an id that a client chose to be sampled, or not to
// be, harms nobody.
std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// The finaliser of splitmix64. The hash of a key decides its cohort by its upper bits; without
// this, a small sample would be all canary.
std::uint64_t mixed(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

// "2026-01-05T10:02:00." or "05/Jan/2026:10:02:00 +0000".
void write_second(char* to, std::int64_t second, AccessFormat format) noexcept {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::chrono::sys_seconds at{std::chrono::seconds(second)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(at - day);
  const auto month = static_cast<unsigned>(date.month());
  LineWriter out(to);
  const auto two = [&out](auto value) { out.digits(static_cast<std::uint64_t>(value), 2); };
  const auto year = static_cast<std::uint64_t>(std::clamp(static_cast<int>(date.year()), 0, 9999));
  if (format == AccessFormat::kJson) {
    out.digits(year, 4);
    out.character('-');
    two(month);
    out.character('-');
    two(static_cast<unsigned>(date.day()));
    out.character('T');
  } else {
    two(static_cast<unsigned>(date.day()));
    out.character('/');
    out.plain(kMonths.substr(3 * (month - 1), 3), 3);
    out.character('/');
    out.digits(year, 4);
    out.character(':');
  }
  two(clock.hours().count());
  out.character(':');
  two(clock.minutes().count());
  out.character(':');
  two(clock.seconds().count());
  if (format == AccessFormat::kJson) {
    out.character('.');
  } else {
    out.literal(" +0000");
  }
}

constexpr std::size_t kIsoSecondBytes = 20;  // Milliseconds and 'Z' follow.
constexpr std::size_t kApacheBytes = 26;

}  // namespace

AccessSink::AccessSink(std::size_t ring_bytes, const Clock& clock, std::shared_ptr<AccessWake> wake)
    : ring_(std::make_unique<ByteRing>(ring_bytes, AccessLog::kLineBytesMax)),
      clock_(clock),
      wake_(std::move(wake)) {}

AccessSink::~AccessSink() = default;

void AccessSink::use(std::shared_ptr<const AccessPolicy> policy) noexcept {
  policy_ = std::move(policy);
  moment_.second = -1;  // The format may be another one.
}

std::uint64_t AccessSink::dropped() const noexcept {
  return ring_->dropped();
}

bool AccessSink::wanted(const AccessRecord& record) const noexcept {
  const AccessPolicy& policy = *policy_;
  for (const std::string& path : policy.exclude_paths) {
    if (path == record.path) return false;
  }
  if (policy.sample == BasisPoints(BasisPoints::kMax)) return true;
  std::uint64_t key = record.key_hash;
  if (key == 0) {
    // Not even an id: what the parser refused. By chance, then.
    key = record.id.empty() ? static_cast<std::uint64_t>(record.ended_at.time_since_epoch().count())
                            : hash_of(record.id);
  }
  return mixed(key) % BasisPoints::kMax < policy.sample.value();
}

// The two clocks may drift apart, and the wall clock may be set: a second later it is noticed.
std::int64_t AccessSink::wall_microseconds(Monotonic at) noexcept {
  if (!compared_ || at - compared_at_ >= kCompareEvery) {
    offset_ = clock_.wall_now().time_since_epoch() - at.time_since_epoch();
    compared_at_ = at;
    compared_ = true;
  }
  const Duration wall = at.time_since_epoch() + offset_;
  return std::chrono::duration_cast<std::chrono::microseconds>(wall).count();
}

void AccessSink::write(const AccessRecord& record) noexcept {
  if (!wanted(record)) return;
  char* const line = ring_->begin_line();
  if (line == nullptr) return;
  const bool json = policy_->format == AccessFormat::kJson;
  const std::int64_t ended = wall_microseconds(record.ended_at);
  const auto total =
      std::chrono::duration_cast<std::chrono::microseconds>(record.ended_at - record.started_at);
  const std::int64_t started = ended - total.count();
  if (started / kMillion != moment_.second) {
    moment_.second = started / kMillion;
    write_second(moment_.text.data(), moment_.second, policy_->format);
  }
  LineTimes times;
  times.ended_at_us = ended;
  times.started = {moment_.text.data(), kApacheBytes};
  if (json) {
    LineWriter fraction(moment_.text.data() + kIsoSecondBytes);
    fraction.digits(static_cast<std::uint64_t>(started % kMillion / 1000), 3);
    fraction.character('Z');
    times.started = {moment_.text.data(), kIsoSecondBytes + 4};
  }
  const char* const end =
      json ? write_json_line(line, record, times) : write_combined_line(line, record, times);
  since_wake_ += ring_->end_line(end);
  if (since_wake_ < ring_->capacity() / 2) return;
  since_wake_ = 0;
  wake_->wake();
}

}  // namespace canaryd::telemetry
