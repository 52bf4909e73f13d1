#include "daemon/simulate_command.hpp"

#include "canaryd/base/units.hpp"
#include "canaryd/simulate/picture.hpp"
#include "canaryd/simulate/report.hpp"
#include "canaryd/simulate/study.hpp"
#include "daemon/config_file.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace canaryd::daemon {
namespace {

constexpr std::size_t kMostOutages = 100;

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

auto wrong(std::string_view flag, std::string_view value, std::string_view expected) {
  return fail(ErrorCode::kInvalidArgument,
              std::string(flag) + " " + in_quotes(value) + ": expected " + std::string(expected));
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool take_suffix(std::string_view& text, char suffix) {
  if (text.empty() || text.back() != suffix) return false;
  text.remove_suffix(1);
  return true;
}

// "1", "1%" or "0.05%".
std::optional<double> percent(std::string_view text) {
  take_suffix(text, '%');
  const auto value = number(text);
  if (!value || !(*value >= 0 && *value <= 100)) return std::nullopt;
  return *value / 100;
}

// "1.5x".
std::optional<double> factor(std::string_view text) {
  if (!take_suffix(text, 'x')) return std::nullopt;
  const auto value = number(text);
  if (!value || !(*value >= 0 && *value <= 1e6)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> seconds(std::string_view text) {
  const auto duration = parse_duration(text);
  if (!duration) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(*duration).count();
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(by);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<simulate::Scope> scope(std::string_view text) {
  if (text == "both") return simulate::Scope::kBoth;
  if (text == "stable") return simulate::Scope::kStable;
  if (text == "canary") return simulate::Scope::kCanary;
  return std::nullopt;
}

// "10m+2m:50%" or "10m+2m:50%:canary".
Result<simulate::Outage> outage(std::string_view text) {
  const auto parts = split(text, ':');
  const auto times = split(parts.front(), '+');
  if (times.size() == 2 && (parts.size() == 2 || parts.size() == 3)) {
    const auto begin = seconds(times[0]);
    const auto length = seconds(times[1]);
    const auto rate = percent(parts[1]);
    const auto whose = scope(parts.size() == 3 ? parts[2] : "both");
    if (begin && length && rate && whose) {
      return simulate::Outage{
          .begin = *begin, .seconds = *length, .error_rate = *rate, .scope = *whose};
    }
  }
  return wrong("--outage", text, "BEGIN+LENGTH:ERRORS[:stable|canary], such as 10m+2m:50%");
}

// "2:20s:30%".
Result<simulate::Bursts> bursts(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() == 3) {
    const auto per_hour = number(parts[0]);
    const auto length = seconds(parts[1]);
    const auto rate = percent(parts[2]);
    if (per_hour && *per_hour >= 0 && *per_hour <= 3600 && length && rate) {
      return simulate::Bursts{.per_hour = *per_hour, .seconds = *length, .error_rate = *rate};
    }
  }
  return wrong("--bursts", text, "TIMES_AN_HOUR:LENGTH:ERRORS, such as 2:20s:30%");
}

Result<double> share(std::string_view flag, std::string_view text, double otherwise) {
  if (text.empty()) return otherwise;
  if (const auto value = percent(text)) return *value;
  return wrong(flag, text, "a percentage from 0 to 100");
}

Result<double> canary_error_rate(std::string_view text, double stable_rate) {
  if (text.empty()) return stable_rate;
  if (const auto times = factor(text)) return std::min(1.0, *times * stable_rate);
  if (const auto value = percent(text)) return *value;
  return wrong("--canary-error-rate", text, "a percentage, or a multiple of the stable's: 5x");
}

std::optional<double> milliseconds(std::string_view text) {
  const auto duration = parse_duration(text);
  if (!duration || *duration <= Duration::zero()) return std::nullopt;
  return std::chrono::duration<double, std::milli>(*duration).count();
}

// "50ms/200ms"; "1.2x" where there is something to multiply.
Result<stats::LogNormal> latency(std::string_view flag,
                                 std::string_view text,
                                 const stats::LogNormal& usual,
                                 std::string_view expected) {
  if (text.empty()) return usual;
  const auto times = flag == "--canary-latency" ? factor(text) : std::nullopt;
  if (times && *times > 0) return usual.stretched(*times);
  const auto parts = split(text, '/');
  if (parts.size() == 2) {
    const auto median = milliseconds(parts[0]);
    const auto p99 = milliseconds(parts[1]);
    if (median && p99 && *p99 >= *median) {
      return stats::LogNormal{.median_ms = *median, .p99_ms = *p99};
    }
  }
  return wrong(flag, text, expected);
}

Result<simulate::ColdStart> cold_start(std::string_view text) {
  if (text.empty()) return simulate::ColdStart{};
  const auto parts = split(text, ':');
  if (parts.size() == 2) {
    const auto length = seconds(parts[0]);
    const auto times = factor(parts[1]);
    if (length && times && *times > 0) {
      return simulate::ColdStart{.seconds = *length, .stretch = *times};
    }
  }
  return wrong("--cold-start", text, "LENGTH:TIMES, such as 30s:3x");
}

Result<void> add_latency(simulate::Traffic& traffic, const SimulateFlags& flags) {
  CANARYD_TRY_ASSIGN(
      traffic.stable_latency,
      latency("--latency", flags.latency, {}, "median and 99th percentile, such as 50ms/200ms"));
  CANARYD_TRY_ASSIGN(traffic.canary_latency,
                     latency("--canary-latency",
                             flags.canary_latency,
                             traffic.stable_latency,
                             "median and 99th percentile, or a multiple of stable's: 1.2x"));
  CANARYD_TRY_ASSIGN(traffic.cold_start, cold_start(flags.cold_start));
  return {};
}

Result<void> add_trouble(simulate::Traffic& traffic, const SimulateFlags& flags) {
  if (flags.outages.size() > kMostOutages) {
    return fail(ErrorCode::kInvalidArgument, "--outage is given more than 100 times");
  }
  for (const std::string& text : flags.outages) {
    CANARYD_TRY_ASSIGN(const simulate::Outage each, outage(text));
    traffic.outages.push_back(each);
  }
  if (!flags.bursts.empty()) {
    CANARYD_TRY_ASSIGN(traffic.bursts, bursts(flags.bursts));
  }
  CANARYD_TRY_ASSIGN(traffic.diurnal, share("--diurnal", flags.diurnal, 0));
  if (!(flags.failures_per_user >= 1 && flags.failures_per_user <= 1e6)) {
    return wrong("--failures-per-user",
                 std::to_string(flags.failures_per_user),
                 "a number from 1 to 1,000,000");
  }
  traffic.failures_per_user = flags.failures_per_user;
  traffic.users = flags.users;
  return {};
}

Result<simulate::Traffic> make_traffic(const config::Rollout& rollout, const SimulateFlags& flags) {
  simulate::Traffic traffic;
  const auto rps = flags.rps ? flags.rps : rollout.expected_rps;
  if (!rps) {
    return fail(ErrorCode::kInvalidArgument,
                "how many requests come is not known: say --rps N, or set rollouts." +
                    rollout.name + ".expected_rps");
  }
  // Not left to the parser of the command line, which takes NaN for a number within any range.
  if (!(*rps >= 0.001 && *rps <= 1e7)) {
    return wrong("--rps", std::to_string(*rps), "a number from 0.001 to 10,000,000");
  }
  traffic.requests_per_second = *rps;
  const double usual = rollout.expected_error_rate.value_or(config::kUsualErrorRate);
  CANARYD_TRY_ASSIGN(traffic.stable_error_rate, share("--error-rate", flags.error_rate, usual));
  CANARYD_TRY_ASSIGN(traffic.canary_error_rate,
                     canary_error_rate(flags.canary_error_rate, traffic.stable_error_rate));
  CANARYD_TRY(add_latency(traffic, flags));
  CANARYD_TRY(add_trouble(traffic, flags));
  return traffic;
}

// "pay:2%:50%". Its number is that of its name.
Result<std::optional<simulate::BrokenRoute>> broken_route(std::string_view text,
                                                          const std::vector<std::string>& routes) {
  if (text.empty()) return std::nullopt;
  const auto parts = split(text, ':');
  const auto share = parts.size() == 3 ? percent(parts[1]) : std::nullopt;
  const auto errors = parts.size() == 3 ? percent(parts[2]) : std::nullopt;
  if (!share || *share <= 0 || *share >= 1 || !errors) {
    return wrong("--broken-route", text, "NAME:SHARE:ERRORS, such as pay:2%:50%");
  }
  const auto found = std::find(routes.begin(), routes.end(), parts[0]);
  if (found == routes.end() || routes.size() < 2) {
    return wrong("--broken-route", text, "one of several routes of the rollout");
  }
  return simulate::BrokenRoute{.route = static_cast<std::uint32_t>(found - routes.begin()),
                               .share = *share,
                               .canary_error_rate = *errors};
}

// On a terminal one line that is written over, at most once for each percent.
class Progress {
 public:
  explicit Progress(std::size_t runs) : runs_(runs), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (percent_ > 0) std::cerr << "\r\x1b[K" << std::flush;
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void operator()(std::size_t done) {
    const std::size_t percent = 100 * done / runs_;
    if (!shown_ || percent <= percent_) return;
    percent_ = percent;
    constexpr std::size_t kWidth = 40;
    const std::size_t full = kWidth * percent / 100;
    std::cerr << "\rsimulating [" << std::string(full, '#') << std::string(kWidth - full, '.')
              << "] " << percent << " %" << std::flush;
  }

 private:
  std::size_t runs_;
  bool shown_;
  std::size_t percent_ = 0;
};

unsigned threads_of(const SimulateFlags& flags) {
  if (flags.threads > 0) return flags.threads;
  return std::max(1U, std::thread::hardware_concurrency());
}

simulate::Study study_of(const simulate::Scenario& scenario, const SimulateFlags& flags) {
  Progress progress(flags.runs);
  simulate::Effort effort;
  effort.first_seed = flags.seed;
  effort.runs = flags.runs;
  effort.threads = threads_of(flags);
  effort.progress = [&progress](std::size_t done) { progress(done); };
  return simulate::summarise(scenario, simulate::run_many(scenario, effort));
}

void print(const simulate::Scenario& scenario, const SimulateFlags& flags) {
  const simulate::Study study = study_of(scenario, flags);
  if (flags.format == "json") {
    std::cout << simulate::render_json(scenario, study);
  } else if (flags.format == "svg") {
    std::vector<simulate::TracePoint> trace;
    const simulate::RunResult run = simulate::run_rollout(scenario, study.typical_seed, &trace);
    std::cout << simulate::render_svg(scenario, study, run, trace);
  } else {
    std::cout << simulate::render_text(scenario, study);
  }
}

}  // namespace

Result<simulate::Scenario> make_scenario(const config::Rollout& rollout,
                                         const SimulateFlags& flags) {
  simulate::Scenario scenario;
  scenario.plan = rollout.plan;
  scenario.settings = rollout.analysis;
  CANARYD_TRY_ASSIGN(const auto broken, broken_route(flags.broken_route, scenario.settings.routes));
  // Else the routes' own accounts are silent here, and those of segments are. Two, and one, keep as
  // much of the capital as many do.
  if (!broken && scenario.settings.routes.size() > 2) scenario.settings.routes.resize(2);
  if (scenario.settings.segments.size() > 1) scenario.settings.segments.resize(1);
  // Nobody votes here, so nothing may wait for it.
  auto& feedback = scenario.settings.tolerance.feedback;
  if (feedback) feedback->required = false;
  scenario.protection = {.consecutive_failures = rollout.circuit.consecutive_failures,
                         .open_for = rollout.circuit.open_for,
                         .probes_failed = rollout.circuit.probes_failed,
                         .max_trips = rollout.circuit.max_trips,
                         .max_failed_requests = rollout.exposure.max_failed_requests};
  CANARYD_TRY_ASSIGN(scenario.traffic, make_traffic(rollout, flags));
  scenario.traffic.broken_route = broken;
  CANARYD_TRY_ASSIGN(const double covered, share("--covered", flags.covered, 0));
  if (!rollout.fallback.methods.empty()) scenario.protection.covered = covered;
  const auto limit = seconds(flags.max_time);
  if (!limit || *limit < 1 || *limit > simulate::kMostSeconds) {
    return wrong("--max-time", flags.max_time, "a duration from 1s to 400d");
  }
  scenario.limit_seconds = *limit;
  return scenario;
}

int run_simulate(const CommandLine& line) {
  const config::LoadResult loaded = load_file(line);
  if (!loaded.config) {
    std::cerr << config::render_problems_text(loaded.problems, line.config_file);
    return kExitConfig;
  }
  const auto rollout = find_rollout(*loaded.config, line.simulate.rollout, line.config_file);
  const auto scenario = rollout.and_then(
      [&line](const config::Rollout* found) { return make_scenario(*found, line.simulate); });
  if (!scenario) {
    std::cerr << "canaryd simulate: " << scenario.error().context << '\n';
    return kExitUsage;
  }
  const auto& feedback = (*rollout)->analysis.tolerance.feedback;
  if (feedback && feedback->required) {
    std::cerr << "canaryd simulate: nobody votes here, and tolerance.feedback is required: steps "
                 "take longer, by what the votes take, and are held without any\n";
  }
  print(*scenario, line.simulate);
  return std::cout.flush() ? kExitDone : kExitFailed;
}

}  // namespace canaryd::daemon
