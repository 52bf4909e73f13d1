// What a second costs the control thread: the whole tick of a controller, from the workers'
// counters to what the journal gets.
//
//   tick_bench [rollouts=1000] [ticks=60] [requests=505]
//
// Each rollout has so many requests a second, one in a hundred to the canary. Prints milliseconds
// of the control thread's CPU time a tick, the median and the longest; the workers are not there,
// their counters are filled in between, and the store is in memory, on a thread of its own. Run it
// optimised.
#include "canaryd/config/load.hpp"
#include "canaryd/control/controller.hpp"
#include "support/control_loop.hpp"
#include "support/fake_plane.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace canaryd;  // NOLINT(google-build-using-namespace): a program, not a header.

std::string file_of(long rollouts) {
  std::string upstreams =
      "upstreams:\n  old: {endpoints: [127.0.0.1:9001]}\n  new: {endpoints: [127.0.0.1:9002]}\n";
  std::string list = "rollouts:\n";
  std::string routes = "routes:\n";
  for (long i = 0; i < rollouts; ++i) {
    const std::string name = "r" + std::to_string(i);
    // So strict that no step is accepted, and so patient that none ends.
    list += "  " + name +
            ": {stable: old, canary: new, start: auto, steps: [{weight: 1, max_duration: 30d}, "
            "{weight: 100}], analysis: {false_accept: 0.0001, false_rollback: 0.0001}}\n";
    routes +=
        "  - {name: " + name + ", match: {path_prefix: /" + name + "/}, rollout: " + name + "}\n";
  }
  return "version: 1\nlisteners:\n  - {name: public, address: 127.0.0.1:8080}\n" + upstreams +
         list + routes;
}

double thread_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// Everything that a controller stands on.
struct World {
  explicit World(const std::string& file) {
    LogOptions options;
    options.level = LogLevel::kError;
    options.file = "/dev/null";
    log = std::move(*Log::open(options, clock));
    store = std::make_unique<store::AsyncStore>(std::make_unique<test::MemoryStore>(disk),
                                                loop.executor());
    control::Parts parts;
    parts.clock = &clock;
    parts.log = log.get();
    parts.data_plane = &plane;
    parts.collector = &collector;
    parts.store = store.get();
    parts.load_config = [] { return config::LoadResult{}; };
    parts.drain = [] {};
    config::LoadInput input;
    input.file_name = "bench.yaml";
    input.text = file;
    config::LoadResult loaded = config::load(input);
    if (!loaded.config) fail_with(loaded.problems.at(0).message);
    auto made = control::Controller::create(parts, std::move(*loaded.config), {});
    if (!made) fail_with(describe(made.error()));
    controller = std::move(*made);
    controller->start([](const Result<void>& started) {
      if (!started) fail_with(describe(started.error()));
    });
    loop.settle(*store);
  }
  ~World() {
    controller.reset();
    store.reset();
    loop.forget();
  }
  [[noreturn]] static void fail_with(const std::string& why) {
    std::fprintf(stderr, "tick_bench: %s\n", why.c_str());
    std::exit(1);
  }

  test::ManualClock clock;
  std::unique_ptr<Log> log;
  test::Disk disk;
  test::ControlLoop loop;
  test::FakePlane plane{loop};
  telemetry::Collector collector;
  std::unique_ptr<store::AsyncStore> store;
  std::unique_ptr<control::Controller> controller;
};

long argument(int argc, char** argv, int index, long otherwise) {
  return index < argc ? std::max(1L, std::strtol(argv[index], nullptr, 10)) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const long rollouts = argument(argc, argv, 1, 1000);
  const long ticks = argument(argc, argv, 2, 60);
  const long requests = argument(argc, argv, 3, 505);
  World world(file_of(rollouts));
  const int canary = static_cast<int>(requests / 100);
  const int stable = static_cast<int>(requests) - canary;
  std::vector<double> took;
  for (long tick = 0; tick < ticks; ++tick) {
    world.clock.advance(std::chrono::seconds(1));
    for (long i = 0; i < rollouts; ++i) {
      const RouteId route(static_cast<std::uint32_t>(i));
      world.plane.serve(Cohort::kStable,
                        stable,
                        static_cast<int>((tick + i) % 10),
                        std::chrono::milliseconds(5),
                        route);
      world.plane.serve(Cohort::kCanary,
                        canary,
                        (tick + i) % 20 == 0 ? 1 : 0,
                        std::chrono::milliseconds(5),
                        route);
    }
    const double begin = thread_milliseconds();
    world.controller->tick();
    world.loop.settle(*world.store);
    took.push_back(thread_milliseconds() - begin);
  }
  std::size_t judged = 0;
  for (const control::RolloutView& view : world.controller->rollouts())
    judged += view.state == "progressing" ? 1U : 0U;
  std::sort(took.begin(), took.end());
  std::printf(
      "%ld rollouts (%zu under way), %ld requests a second each: %.1f ms a tick, the longest of "
      "%ld %.1f ms\n",
      rollouts,
      judged,
      requests,
      took[took.size() / 2],
      ticks,
      took.back());
}
