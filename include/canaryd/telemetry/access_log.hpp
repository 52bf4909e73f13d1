// The access log: one line for each exchange, as JSON or in Apache's combined format
// (docs/interfaces.md section 5).
//
// Each worker has an AccessSink: it formats the line straight into a ring of bytes of its own.
// Nothing is allocated or locked there, and nobody is waited for: a full ring drops the line and
// counts it. One thread writes what all rings hold, in batches of whole lines; on a pipe at most
// PIPE_BUF bytes at once, so that lines are never torn there, even by another writer.
//
// Which exchanges are logged is a matter of the policy, which travels with the table. Sampling is
// deterministic: all requests of one key are in the log, or none.
//
// Limits: kLineBytesMax for a line, whose long texts are cut; ring_bytes for each worker. The ring
// holds, at 500 bytes a line, a thousand lines between two looks of the writer; it is also woken
// each time half of a ring has been filled.
//
// Thread rule: an AccessSink belongs to one worker. AccessLog: made and destroyed on the control
// thread, after the workers have ended; dropped() from any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/telemetry/access_record.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::telemetry {

enum class AccessFormat : std::uint8_t { kJson, kCombined };

// What is logged, and how. Immutable; shared by the workers.
struct AccessPolicy {
  AccessFormat format = AccessFormat::kJson;
  BasisPoints sample{BasisPoints::kMax};   // Share of the keys, or of the request ids.
  std::vector<std::string> exclude_paths;  // Whole paths.
};

class ByteRing;
class LineClock;
struct AccessWake;

class AccessSink {
 public:
  AccessSink(std::size_t ring_bytes, const Clock& clock, std::shared_ptr<AccessWake> wake);
  AccessSink(const AccessSink&) = delete;
  AccessSink& operator=(const AccessSink&) = delete;
  ~AccessSink();

  // Null: off.
  void use(std::shared_ptr<const AccessPolicy> policy) noexcept;
  [[nodiscard]] bool on() const noexcept { return policy_ != nullptr; }
  // Only the combined format says the referer. Only while on().
  [[nodiscard]] bool wants_referer() const noexcept {
    return policy_->format == AccessFormat::kCombined;
  }
  // Writes the line, if the policy wants it and there is room. Only while on().
  void write(const AccessRecord& record) noexcept;

  // Of full rings; any thread.
  [[nodiscard]] std::uint64_t dropped() const noexcept;

 private:
  friend class AccessLog;
  [[nodiscard]] bool wanted(const AccessRecord& record) const noexcept;

  std::unique_ptr<ByteRing> ring_;
  std::unique_ptr<LineClock> times_;
  std::shared_ptr<AccessWake> wake_;
  std::shared_ptr<const AccessPolicy> policy_;
  std::size_t since_wake_ = 0;
};

struct AccessLogOptions {
  std::string file;  // Appended to; empty for stdout.
  std::size_t workers = 1;
  std::size_t ring_bytes = std::size_t{512} * 1024;  // Rounded up to a power of two.
};

class AccessLog {
 public:
  static constexpr std::size_t kLineBytesMax = 4096;  // PIPE_BUF.

  // Fails when the file cannot be opened. Clock and log outlive it; the log hears of the first
  // line that could not be written, and of the next that could.
  [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(const AccessLogOptions& options,
                                                               const Clock& clock,
                                                               Log& log);
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  // Writes what the rings hold, for at most two seconds if the reader of a pipe is stuck.
  ~AccessLog();

  // The sink of one worker.
  [[nodiscard]] std::shared_ptr<AccessSink> sink(std::size_t worker) const;

  // Opens the file anew by its name, for log rotation; lines not yet written go to the new one. On
  // failure the old file stays in use. Nothing to do for stdout.
  [[nodiscard]] Result<void> reopen();
  // Waits until every line that was complete before is written; false when that takes longer.
  bool flush(Duration limit = std::chrono::seconds(2));
  // Lines lost: a ring was full, or they could not be written.
  [[nodiscard]] std::uint64_t dropped() const noexcept;

 private:
  struct Impl;
  explicit AccessLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace canaryd::telemetry
