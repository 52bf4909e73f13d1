#include "canaryd/telemetry/metrics.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

namespace canaryd::telemetry {
namespace {

// Fields of /proc/self/stat, counted from 1 (proc(5)).
constexpr int kUserTicks = 14;
constexpr int kSystemTicks = 15;
constexpr int kStartTicks = 22;
constexpr int kResidentPages = 24;

// The numbers behind the command's name, which is in parentheses and may hold anything.
std::map<int, double> read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  const auto end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return {};
  std::istringstream rest(text.substr(end_of_name + 1));
  std::string word;
  rest >> word;  // Field 3, the state, is a letter.
  std::map<int, double> fields;
  double value = 0;
  for (int field = 4; field <= kResidentPages && rest >> value; ++field) fields[field] = value;
  return fields;
}

// When the machine was booted, Unix time.
std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    double seconds = 0;
    std::string key;
    if (std::istringstream(line) >> key >> seconds && key == "btime") return seconds;
  }
  return std::nullopt;
}

std::uint64_t count_descriptors() {
  std::error_code error;
  std::uint64_t count = 0;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", error);
       !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // One is the directory that we are reading.
}

}  // namespace

std::optional<ProcessMetrics> read_process_metrics() {
  const auto stat = read_stat();
  const auto booted = boot_time();
  if (!stat.contains(kResidentPages) || !booted) return std::nullopt;
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessMetrics process;
  process.cpu_seconds = (stat.at(kUserTicks) + stat.at(kSystemTicks)) / ticks_per_second;
  process.resident_bytes = static_cast<std::uint64_t>(stat.at(kResidentPages)) *
                           static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  process.start_time_seconds = *booted + stat.at(kStartTicks) / ticks_per_second;
  process.open_fds = count_descriptors();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) process.max_fds = limit.rlim_cur;
  return process;
}

}  // namespace canaryd::telemetry
