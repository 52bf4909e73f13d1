#include "canaryd/base/log.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace canaryd {
namespace {

constexpr std::array<std::pair<LogLevel, std::string_view>, 5> kLevels{{{LogLevel::kDebug, "debug"},
                                                                        {LogLevel::kInfo, "info"},
                                                                        {LogLevel::kWarn, "warn"},
                                                                        {LogLevel::kError, "error"},
                                                                        {LogLevel::kOff, "off"}}};

// ---- Lines
// ---------------------------------------------------------------------------------------------------------

// At most kValueBytesMax bytes; a character is never cut in two.
std::string_view bounded(std::string_view text, bool& cut) noexcept {
  cut = text.size() > Log::kValueBytesMax;
  if (!cut) return text;
  std::size_t end = Log::kValueBytesMax;
  while (end > Log::kValueBytesMax - 3 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
    --end;
  return text.substr(0, end);
}

void append_string(std::string& out, std::string_view text) {
  bool cut = false;
  append_json_string(out, bounded(text, cut));
  if (cut) out.insert(out.size() - 1, "...");
}

void append_number(std::string& out, auto number) {
  std::array<char, 24> digits{};
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), written.ptr);
}

bool needs_quotes(std::string_view text) noexcept {
  return text.empty() || std::any_of(text.begin(), text.end(), [](char c) {
           return c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F;
         });
}

struct AppendValue {
  std::string& out;
  bool quote_always;

  void operator()(std::string_view text) const {
    if (!quote_always && text.size() <= Log::kValueBytesMax && !needs_quotes(text)) {
      append_printable(out, text);
    } else {
      append_string(out, text);
    }
  }
  void operator()(bool flag) const { out += flag ? "true" : "false"; }
  void operator()(double number) const { append_json_number(out, number); }
  void operator()(std::int64_t number) const { append_number(out, number); }
  void operator()(std::uint64_t number) const { append_number(out, number); }
};

struct Line {
  WallTime time;
  LogLevel level;
  LogEvent event;
  std::string_view message;
  Log::Fields fields;
};

template <class Visit>
void for_each_field(const Log::Fields& fields, Visit visit) {
  std::size_t left = Log::kFieldsMax;
  for (const LogField& field : fields) {
    if (left-- == 0) return;
    visit(field);
  }
}

std::string json_line(const Line& line) {
  std::string out;
  out.reserve(256);
  out += R"({"ts":")";
  out += format_time(line.time);
  out += R"(","level":")";
  out += to_string(line.level);
  out += R"(","msg":)";
  append_string(out, line.message);
  out += R"(,"component":)";
  append_string(out, line.event.component);
  out += R"(,"event":)";
  append_string(out, line.event.name);
  for_each_field(line.fields, [&out](const LogField& field) {
    out += ',';
    append_string(out, field.key);
    out += ':';
    std::visit(AppendValue{out, true}, field.value.get());
  });
  out += "}\n";
  return out;
}

std::string text_line(const Line& line) {
  std::string out;
  out.reserve(256);
  out += format_time(line.time);
  out += ' ';
  out += to_string(line.level);
  out.append(6 - to_string(line.level).size(), ' ');
  append_printable(out, line.event.component);
  out += '/';
  append_printable(out, line.event.name);
  out += ": ";
  bool cut = false;
  append_printable(out, bounded(line.message, cut));
  if (cut) out += "...";
  for_each_field(line.fields, [&out](const LogField& field) {
    out += ' ';
    append_printable(out, field.key);
    out += '=';
    std::visit(AppendValue{out, false}, field.value.get());
  });
  out += '\n';
  return out;
}

// ---- Where they go
// ---------------------------------------------------------------------------------------------------

Result<int> open_file(const std::string& path) {
  const int fd =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (fd >= 0) return fd;
  const ErrorCode code =
      errno == EACCES || errno == EPERM ? ErrorCode::kPermission : ErrorCode::kIo;
  return fail(code, "cannot open log file " + path + ": " + std::strerror(errno));
}

// No line has this level: it marks a place in the queue that someone waits for. spdlog's own flush
// cannot be waited for.
constexpr spdlog::level::level_enum kFlushMarker = spdlog::level::critical;

// Writes to a descriptor. log() is called by the logging thread only, the rest by any.
class DescriptorSink final : public spdlog::sinks::sink {
 public:
  explicit DescriptorSink(int fd) : fd_(fd) {}
  DescriptorSink(const DescriptorSink&) = delete;
  DescriptorSink& operator=(const DescriptorSink&) = delete;
  ~DescriptorSink() override {
    adopt_replacement();
    close_unless_stdout(fd_);
  }

  void log(const spdlog::details::log_msg& message) override {
    adopt_replacement();
    const std::string_view text(message.payload.data(), message.payload.size());
    if (message.level == kFlushMarker) {
      flushed_up_to(text);
    } else if (!write_all(text)) {
      lost_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  void flush() override {}
  void set_pattern(const std::string& /*pattern*/) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}

  void replace(int fd) { close_unless_stdout(replacement_.exchange(fd)); }
  // From now on a reader that does not read holds us up for two seconds in all.
  void hurry() { hurry_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

  // Posts a marker behind all lines posted before, and waits until the logging thread has come to
  // it.
  [[nodiscard]] bool wait_for_marker(spdlog::logger& logger, Duration limit) {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = ++last_ticket_;
    std::array<char, sizeof(ticket)> payload{};
    std::memcpy(payload.data(), &ticket, sizeof(ticket));
    logger.log(kFlushMarker, spdlog::string_view_t(payload.data(), payload.size()));
    return flushed_.wait_for(lock, limit, [&] { return flushed_ticket_ >= ticket; });
  }

 private:
  static constexpr int kPollMs = 100;
  static constexpr int kHurriedPolls = 20;
  // A pipe that polls writable has room for PIPE_BUF bytes: with pieces of that size write() never
  // blocks.
  static constexpr std::size_t kPiece = 4096;

  void flushed_up_to(std::string_view payload) {
    const std::lock_guard lock(mutex_);
    std::memcpy(&flushed_ticket_, payload.data(), sizeof(flushed_ticket_));
    flushed_.notify_all();
  }

  static void close_unless_stdout(int fd) {
    if (fd > STDERR_FILENO) ::close(fd);
  }

  void adopt_replacement() {
    const int next = replacement_.exchange(-1);
    if (next < 0) return;
    close_unless_stdout(fd_);
    fd_ = next;
  }

  bool wait_until_writable() {
    while (true) {
      pollfd entry{fd_, POLLOUT, 0};
      const int ready = ::poll(&entry, 1, hurried_polls_ >= kHurriedPolls ? 0 : kPollMs);
      if (ready > 0) return (entry.revents & (POLLERR | POLLNVAL)) == 0;
      if (ready < 0 && errno != EINTR) return false;
      if (!hurry_.load(std::memory_order_relaxed)) continue;
      if (++hurried_polls_ >= kHurriedPolls) return false;
    }
  }

  bool write_all(std::string_view text) {
    while (!text.empty()) {
      if (!wait_until_writable()) return false;
      const ssize_t written = ::write(fd_, text.data(), std::min(text.size(), kPiece));
      if (written > 0) {
        text.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno != EINTR && errno != EAGAIN) {
        return false;
      }
    }
    return true;
  }

  int fd_;
  int hurried_polls_ = 0;
  std::atomic<int> replacement_{-1};
  std::atomic<bool> hurry_{false};
  std::atomic<std::uint64_t> lost_{0};
  std::mutex mutex_;
  std::condition_variable flushed_;
  std::uint64_t last_ticket_ = 0;
  std::uint64_t flushed_ticket_ = 0;
};

// Signals belong to the daemon's main thread. With SIGPIPE blocked here, a reader that has gone is
// an error of write() and not the end of the process.
void block_all_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  for (const auto& [value, name] : kLevels) {
    if (value == level) return name;
  }
  return "";
}

Result<LogLevel> parse_log_level(std::string_view text) {
  if (text == "trace") return LogLevel::kDebug;
  for (const auto& [value, name] : kLevels) {
    if (name == text) return value;
  }
  return fail(ErrorCode::kInvalidArgument, "expected trace, debug, info, warn, error or off");
}

Result<LogFormat> parse_log_format(std::string_view text) {
  if (text == "json") return LogFormat::kJson;
  if (text == "text") return LogFormat::kText;
  return fail(ErrorCode::kInvalidArgument, "expected json or text");
}

struct Log::Impl {
  Impl(const LogOptions& options, int fd)
      : file(options.file),
        sink(std::make_shared<DescriptorSink>(fd)),
        pool(std::make_shared<spdlog::details::thread_pool>(
            std::max<std::size_t>(options.queue_lines, 1), 1, block_all_signals)) {
    logger = std::make_shared<spdlog::async_logger>(
        "canaryd", sink, pool, spdlog::async_overflow_policy::overrun_oldest);
  }

  const std::string file;
  std::shared_ptr<DescriptorSink> sink;
  // Made last, but freed after the pool's thread has ended: queued lines hold the logger too, and
  // the last holder must not be that thread, whose release TSan cannot see inside the library.
  std::shared_ptr<spdlog::async_logger> logger;
  std::shared_ptr<spdlog::details::thread_pool> pool;
};

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options, const Clock& clock) {
  int fd = STDOUT_FILENO;
  if (!options.file.empty()) {
    CANARYD_TRY_ASSIGN(fd, open_file(options.file));
  }
  try {
    auto impl = std::make_unique<Impl>(options, fd);
    // DEVIATION: make_unique cannot reach a private constructor.
    return std::unique_ptr<Log>(new Log(options, clock, std::move(impl)));
  } catch (const std::exception& error) {
    // spdlog refuses an absurd queue; the system has no thread to give.
    return fail(ErrorCode::kInternal, std::string("cannot start the log: ") + error.what());
  }
}

Log::Log(const LogOptions& options, const Clock& clock, std::unique_ptr<Impl> impl)
    : clock_(clock), format_(options.format), level_(options.level), impl_(std::move(impl)) {}

// The pool's destructor writes what is queued and joins its thread.
Log::~Log() {
  impl_->sink->hurry();
}

void Log::write(LogLevel level, LogEvent event, std::string_view message, Fields fields) {
  if (level < this->level()) return;
  const Line line{clock_.wall_now(), level, event, message, fields};
  const std::string text = format_ == LogFormat::kJson ? json_line(line) : text_line(line);
  impl_->logger->log(spdlog::level::info, spdlog::string_view_t(text.data(), text.size()));
}

void Log::debug(LogEvent event, std::string_view message, Fields fields) {
  write(LogLevel::kDebug, event, message, fields);
}
void Log::info(LogEvent event, std::string_view message, Fields fields) {
  write(LogLevel::kInfo, event, message, fields);
}
void Log::warn(LogEvent event, std::string_view message, Fields fields) {
  write(LogLevel::kWarn, event, message, fields);
}
void Log::error(LogEvent event, std::string_view message, Fields fields) {
  write(LogLevel::kError, event, message, fields);
}

Result<void> Log::reopen() {
  if (impl_->file.empty()) return {};
  CANARYD_TRY_ASSIGN(const int fd, open_file(impl_->file));
  impl_->sink->replace(fd);
  return {};
}

bool Log::flush(Duration limit) {
  return impl_->sink->wait_for_marker(*impl_->logger, limit);
}

std::uint64_t Log::dropped() const noexcept {
  return impl_->sink->lost() + impl_->pool->overrun_counter();
}

}  // namespace canaryd
