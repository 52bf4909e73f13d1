#include "load.hpp"

#include <algorithm>
#include <cmath>
#include <fcntl.h>
#include <sys/resource.h>

namespace canaryd::bench {
namespace {

// Requests under way while connections to hold are opened: enough to be quick, few enough that the
// proxy needs hardly any upstream connections for them.
constexpr std::size_t kHoldAtOnce = 16;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Duration to_duration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto index = static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(index);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

Load::Load(Links& links, const Clock& clock, const RunOptions& options)
    : links_(links), clock_(clock), options_(options), random_(options.seed) {
  const bool hold = options_.mode == Mode::kHold;
  const std::size_t at_once =
      hold ? std::min(kHoldAtOnce, options_.connections) : options_.connections;
  std::vector<Link*> first;
  for (std::size_t i = 0; i < at_once; ++i) {
    if (Link* link = open()) first.push_back(link);
  }
  cpu_begin_ = cpu_seconds();
  begin_ = next_due_ = clock_.now();
  constexpr double kHour = 3600;
  end_ = begin_ + to_duration(options_.seconds > 0 ? options_.seconds : kHour);
  if (options_.mode == Mode::kPace) {
    idle_.assign(first.begin(), first.end());
    return;
  }
  for (Link* link : first) send_next(*link);
}

Link* Load::open() {
  const int fd = connect_to_loopback(options_.port);
  if (fd < 0) {
    ++errors_;
    return nullptr;
  }
  Link* link = links_.add(Kind::kClientSide, fd);
  link->what = options_.what;
  open_.push_back(link);
  return link;
}

void Load::lose(Link& link) {
  std::erase(open_, &link);
  links_.drop(&link);
}

bool Load::may_start() const {
  if (options_.mode == Mode::kHold) return true;
  return options_.max_requests == 0 || started_ < options_.max_requests;
}

void Load::send_next(Link& link) {
  if (may_start()) start(link);
}

void Load::start(Link& link) {
  ++started_;
  link.answered = false;
  if (links_.send(link, options_.what->request)) return;
  ++errors_;
  lose(link);
}

void Load::handle(Link& link, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !link.unsent.empty() && !links_.send_rest(link)) {
    ++errors_;
    return lose(link);
  }
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) take(link);
}

void Load::take(Link& link) {
  switch (links_.receive(link)) {
    case Got::kNothing:
      return;
    case Got::kMessage:
      link.answered = true;
      if (!options_.what->closes) answered(link);
      return;
    case Got::kEnd:
    case Got::kBroken:
      break;
  }
  // A connection for one request ends when its answer is whole; any other end is an error.
  const bool whole = options_.what->closes && link.answered;
  lose(link);
  if (!whole) {
    ++errors_;
    return;
  }
  ++requests_;
  if (!may_start() || clock_.now() >= end_) return;
  if (Link* next = open()) start(*next);
}

void Load::answered(Link& link) {
  ++requests_;
  switch (options_.mode) {
    case Mode::kSaturate:
      return send_next(link);
    case Mode::kPace:
      latencies_us_.push_back(
          std::chrono::duration<double, std::micro>(clock_.now() - link.due).count());
      idle_.push_back(&link);
      return;
    case Mode::kHold:
      if (started_ >= options_.connections) return;
      if (Link* next = open()) start(*next);
      return;
  }
}

void Load::send_due(Monotonic now) {
  while (next_due_ <= now && next_due_ < end_) {
    waiting_.push_back(next_due_);
    next_due_ += to_duration(-std::log1p(-random_.uniform()) / options_.rate);  // Exponential.
  }
  // Round robin over the connections, so that each is idle for a while in between.
  while (!waiting_.empty() && !idle_.empty()) {
    Link* link = idle_.front();
    idle_.pop_front();
    link->due = waiting_.front();
    waiting_.pop_front();
    start(*link);
  }
}

bool Load::poll() {
  const Monotonic now = clock_.now();
  switch (options_.mode) {
    case Mode::kPace:
      send_due(now);
      return next_due_ >= end_ && waiting_.empty() && requests_ + errors_ >= started_;
    case Mode::kHold:
      return requests_ + errors_ >= options_.connections || now >= end_;
    case Mode::kSaturate:
      break;
  }
  const bool counted = options_.max_requests != 0 && requests_ >= options_.max_requests;
  return counted || now >= end_ || open_.empty();
}

std::int64_t Load::idle_ns() const {
  constexpr std::int64_t kLook = 20'000'000;
  if (options_.mode != Mode::kPace || next_due_ >= end_) return kLook;
  return std::clamp<std::int64_t>((next_due_ - clock_.now()).count(), 0, kLook);
}

void Load::report(std::ostream& out) {
  const double cpu = cpu_seconds() - cpu_begin_;
  const double elapsed = std::chrono::duration<double>(clock_.now() - begin_).count();
  if (options_.mode != Mode::kHold) close_all();
  out << R"({"requests": )" << requests_ << R"(, "seconds": )" << elapsed << R"(, "errors": )"
      << errors_ << R"(, "peer_cpu_seconds": )" << cpu;
  if (options_.mode == Mode::kPace) {
    out << R"(, "p50_us": )" << quantile(latencies_us_, 0.5) << R"(, "p99_us": )"
        << quantile(latencies_us_, 0.99);
  }
  out << "}\n" << std::flush;
}

void Load::close_all() {
  for (Link* link : open_) links_.drop(link);
  open_.clear();
}

}  // namespace canaryd::bench
