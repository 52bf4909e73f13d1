// What it costs that many rollouts begin a step at once: the writes of all of them wait for the
// disk, each alone or all that wait together.
//
//   store_bench FOLDER [rollouts=1000]
//
// Prints milliseconds on the clock until the last one is durable, and until half of them are.
// FOLDER is on the disk that is measured; a state directory is made in it.
#include "canaryd/base/clock.hpp"
#include "canaryd/store/async_store.hpp"
#include "canaryd/store/sqlite_store.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace canaryd;  // NOLINT(google-build-using-namespace): a program, not a header.

store::Batch a_step(std::size_t rollout, std::uint64_t generation) {
  store::Batch batch;
  store::JournalEntry entry;
  entry.rollout = "rollout-" + std::to_string(rollout);
  entry.generation = generation;
  entry.actor = "canaryd";
  entry.event = "tick";
  entry.from = entry.to = "progressing";
  entry.evidence = std::string(400, 'e');
  entry.sentence = std::string(100, 's');
  entry.state = std::string(400, 'z');
  batch.entries.push_back(std::move(entry));
  for (std::uint64_t i = 0; i < 5; ++i) {
    const std::uint64_t index = 5 * generation + i;
    batch.evidence.push_back({"rollout-" + std::to_string(rollout),
                              1,
                              index,
                              store::EvidenceKind::kBlock,
                              std::vector<std::int64_t>(40, 1'000'000)});
  }
  return batch;
}

class Times {
 public:
  void add() { durable_.push_back(SystemClock().now()); }
  void print(const char* how) const {
    const auto milliseconds = [this](std::size_t place) {
      return std::chrono::duration<double, std::milli>(durable_[place] - begin_).count();
    };
    std::printf("%s: %zu in %.0f ms, half of them in %.0f ms\n",
                how,
                durable_.size(),
                milliseconds(durable_.size() - 1),
                milliseconds(durable_.size() / 2));
  }

 private:
  Monotonic begin_ = SystemClock().now();
  std::vector<Monotonic> durable_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return EXIT_FAILURE;
  const std::string folder = std::string(argv[1]) + "/store_bench.state";
  const std::size_t rollouts =
      argc > 2 ? static_cast<std::size_t>(std::strtoul(argv[2], nullptr, 10)) : 1000;
  auto opened = store::open_sqlite_store({folder, 0});
  if (!opened) {
    std::fprintf(stderr, "%s\n", describe(opened.error()).c_str());
    return EXIT_FAILURE;
  }
  bool all = true;
  std::vector<store::Batch> alone;
  std::vector<store::Batch> together;
  for (std::size_t i = 0; i < rollouts; ++i) {
    alone.push_back(a_step(i, 1));
    together.push_back(a_step(i, 2));
  }
  Times one_by_one;
  for (const store::Batch& batch : alone) {
    all = (*opened)->write(batch).has_value() && all;
    one_by_one.add();
  }
  one_by_one.print("each alone");

  store::AsyncStore::Limits limits;
  limits.queue_limit = std::max(limits.queue_limit, rollouts);
  const auto at_once = [](const std::function<void()>& done) { done(); };
  Times grouped;
  store::AsyncStore store(std::move(*opened), at_once, limits);
  for (store::Batch& batch : together) {
    store.write(std::move(batch), store::Keep::kOnce, [&](const Result<void>& written) {
      all = written.has_value() && all;
      grouped.add();
    });
  }
  store.stop();
  grouped.print("those that wait together");
  std::filesystem::remove_all(folder);
  return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
