// The daemon log: one line per event, as JSON or as text, written by a thread of its own.
//
// A line never blocks its caller: it goes into a bounded queue, and when that is full the oldest
// line is dropped and counted. The destructor writes what is queued, for at most two seconds if the
// reader of stdout is stuck.
//
// Untrusted bytes are safe: invalid UTF-8 becomes U+FFFD and control characters are escaped, so one
// event is one line and cannot speak to a terminal. Limits: kValueBytesMax per message and per
// value, the rest is cut; kFieldsMax fields, the rest is left out. Thread rule: construct and
// destroy on one thread; everything else from any thread.
//
//   Log& log = ...;
//   log.info(log_event::kTransition, "rolled back checkout at 5 %", {{"rollout", name}, {"weight",
//   0}});
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace canaryd {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError, kOff };
enum class LogFormat : std::uint8_t { kJson, kText };

[[nodiscard]] std::string_view to_string(LogLevel level) noexcept;
// "trace" (the same as "debug"), "debug", "info", "warn", "error", "off"; kInvalidArgument names
// them.
[[nodiscard]] Result<LogLevel> parse_log_level(std::string_view text);
// "json" or "text".
[[nodiscard]] Result<LogFormat> parse_log_format(std::string_view text);

// What happened, and which part of the daemon says so. Both are literals.
struct LogEvent {
  std::string_view component;
  std::string_view name;
};

// Events that people and tests search for.
namespace log_event {
inline constexpr LogEvent kStarted{"daemon", "started"};
inline constexpr LogEvent kDescriptors{"daemon", "descriptors"};
inline constexpr LogEvent kReady{"daemon", "ready"};
inline constexpr LogEvent kDraining{"daemon", "draining"};
inline constexpr LogEvent kStopped{"daemon", "stopped"};
inline constexpr LogEvent kSignalIgnored{"daemon", "signal_ignored"};
inline constexpr LogEvent kStartFailed{"daemon", "start_failed"};
inline constexpr LogEvent kListening{"net", "listening"};
inline constexpr LogEvent kTransition{"control", "transition"};
inline constexpr LogEvent kSampleRatio{"control", "sample_ratio"};
inline constexpr LogEvent kCookieWithheld{"control", "cookie_withheld"};
inline constexpr LogEvent kParity{"control", "parity"};
inline constexpr LogEvent kHookFailed{"control", "hook_failed"};
inline constexpr LogEvent kHookRan{"control", "hook_ran"};
inline constexpr LogEvent kReloaded{"control", "reloaded"};
inline constexpr LogEvent kReloadFailed{"control", "reload_failed"};
inline constexpr LogEvent kConfigWarning{"control", "config_warning"};
inline constexpr LogEvent kEndpointHealth{"upstream", "endpoint_health"};
inline constexpr LogEvent kEndpointEjected{"upstream", "endpoint_ejected"};
inline constexpr LogEvent kEndpointsChanged{"upstream", "endpoints_changed"};
inline constexpr LogEvent kDiscoveryFailed{"upstream", "discovery_failed"};
inline constexpr LogEvent kStoreFailed{"store", "store_failed"};
inline constexpr LogEvent kStoreRecovered{"store", "store_recovered"};
inline constexpr LogEvent kStatePruned{"store", "state_pruned"};
inline constexpr LogEvent kAdminListening{"admin", "listening"};
inline constexpr LogEvent kAdminChange{"admin", "change"};
inline constexpr LogEvent kAdminRefused{"admin", "refused"};
inline constexpr LogEvent kLogReopened{"log", "reopened"};
}  // namespace log_event

// The value of one field; holds no copy of a string.
class LogValue {
 public:
  using Variant = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  LogValue(std::string_view text) : value_(text) {}
  LogValue(const char* text) : value_(std::string_view(text)) {}
  LogValue(const std::string& text) : value_(std::string_view(text)) {}
  LogValue(bool flag) : value_(flag) {}
  LogValue(std::floating_point auto number) : value_(static_cast<double>(number)) {}
  LogValue(std::signed_integral auto number) : value_(static_cast<std::int64_t>(number)) {}
  LogValue(std::unsigned_integral auto number) : value_(static_cast<std::uint64_t>(number)) {}

  [[nodiscard]] const Variant& get() const noexcept { return value_; }

 private:
  Variant value_;
};

// Keys are literals in snake_case; ts, level, component, event and msg are taken.
struct LogField {
  std::string_view key;
  LogValue value;
};

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  std::string file;  // Appended to; empty for stdout.
  std::size_t queue_lines = 4096;
};

class Log {
 public:
  static constexpr std::size_t kValueBytesMax = 4096;
  static constexpr std::size_t kFieldsMax = 32;
  using Fields = std::initializer_list<LogField>;

  // Fails when the file cannot be opened. The clock must outlive the log.
  [[nodiscard]] static Result<std::unique_ptr<Log>> open(const LogOptions& options,
                                                         const Clock& clock);

  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log();

  void debug(LogEvent event, std::string_view message, Fields fields = {});
  void info(LogEvent event, std::string_view message, Fields fields = {});
  void warn(LogEvent event, std::string_view message, Fields fields = {});
  void error(LogEvent event, std::string_view message, Fields fields = {});

  [[nodiscard]] LogLevel level() const noexcept { return level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) noexcept { level_.store(level, std::memory_order_relaxed); }

  // Opens the file anew by its name, for log rotation; lines not yet written go to the new one. On
  // failure the old file stays in use. Nothing to do for stdout.
  [[nodiscard]] Result<void> reopen();
  // Waits until every line logged before is written; false when that takes longer than the limit.
  bool flush(Duration limit = std::chrono::seconds(2));
  // Lines lost: the queue was full, or they could not be written.
  [[nodiscard]] std::uint64_t dropped() const noexcept;

 private:
  struct Impl;
  Log(const LogOptions& options, const Clock& clock, std::unique_ptr<Impl> impl);
  void write(LogLevel level, LogEvent event, std::string_view message, Fields fields);

  const Clock& clock_;
  const LogFormat format_;
  std::atomic<LogLevel> level_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canaryd
