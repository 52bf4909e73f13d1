#include "canaryd/net/runtime.hpp"

#include <utility>

namespace canaryd::net {

Runtime::Runtime(const Options& options)
    : now_(options.now), wheel_(options.now), buffers_(options.buffers), random_(options.seed) {}

Runtime::~Runtime() = default;

bool Runtime::run_batch() {
  wheel_.advance(now_);
  return run_reactions();
}

bool Runtime::run_reactions() {
  constexpr std::size_t kBulkTurns = 8;
  ready_.run_once();
  bulk_.run_once(kBulkTurns);
  batch_end_.run_once();
  // Swapped, so that what these functions defer waits for the next batch, and the memory is used
  // again.
  std::swap(deferred_, running_);
  for (auto& function : running_) function();
  running_.clear();
  return pending();
}

bool Runtime::settle() {
  constexpr int kBatchesMax = 10'000;
  for (int batch = 0; batch < kBatchesMax; ++batch) {
    if (!run_reactions()) return true;
  }
  return false;
}

}  // namespace canaryd::net
