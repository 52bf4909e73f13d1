// The worker's half of the access log: what the policy wants goes into the ring.
#include "canaryd/telemetry/access_log.hpp"
#include "telemetry/access_format.hpp"
#include "telemetry/access_wake.hpp"
#include "telemetry/byte_ring.hpp"
#include "telemetry/line_clock.hpp"

namespace canaryd::telemetry {
namespace {

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

}  // namespace

AccessSink::AccessSink(std::size_t ring_bytes, const Clock& clock, std::shared_ptr<AccessWake> wake)
    : ring_(std::make_unique<ByteRing>(ring_bytes, AccessLog::kLineBytesMax)),
      times_(std::make_unique<LineClock>(clock)),
      wake_(std::move(wake)) {}

AccessSink::~AccessSink() = default;

void AccessSink::use(std::shared_ptr<const AccessPolicy> policy) noexcept {
  policy_ = std::move(policy);
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

void AccessSink::write(const AccessRecord& record) noexcept {
  if (!wanted(record)) return;
  char* const line = ring_->begin_line();
  if (line == nullptr) return;
  const AccessFormat format = policy_->format;
  const LineTimes times = times_->times(record, format);
  const char* const end = format == AccessFormat::kJson ? write_json_line(line, record, times)
                                                        : write_combined_line(line, record, times);
  since_wake_ += ring_->end_line(end);
  if (since_wake_ < ring_->capacity() / 2) return;
  since_wake_ = 0;
  wake_->wake();
}

}  // namespace canaryd::telemetry
