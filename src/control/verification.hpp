// One verification under way: finds the transition, checks the hash chain, reads the run's rows
// from the store slice by slice and recomputes in between, so that neither the control thread nor
// the store's is held up for long. Private to the room.
//
// Thread rule: the control thread. Lives until its last completion.
#pragma once

#include "canaryd/control/verification.hpp"
#include "canaryd/store/async_store.hpp"
#include "control/recompute.hpp"
#include "control/verdict_record.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace canaryd::control {

class Verification : public std::enable_shared_from_this<Verification> {
 public:
  // Rows at a time: about five milliseconds of the control thread (bench/micro/verify_bench).
  static constexpr std::size_t kSliceRows = 500;

  // `current`: of the rollout; earlier runs may have been dropped, and what is `over` swept out.
  // `alive` turns false when the
  // store may not be used any more; then `done` is not called.
  Verification(store::AsyncStore& store,
               std::shared_ptr<const bool> alive,
               const Evidence& current,
               bool over,
               VerifyQuery query,
               VerifyDone done);
  // kNotFound: there is no such transition. Other errors are the store's.
  void begin();

 private:
  void choose(const std::vector<store::JournalRow>& rows);
  void check_chain();
  void next_slice();
  void recompute();
  void end(VerifyResult result, std::string why);
  void damaged_or_failed(const Error& error);

  store::AsyncStore& store_;
  std::shared_ptr<const bool> alive_;
  analysis::Settings others_;
  std::uint64_t current_run_;
  bool over_;
  VerifyQuery query_;
  VerifyDone done_;
  VerificationView view_;
  VerdictRecord recorded_;
  std::optional<Recomputation> recomputation_;
};

}  // namespace canaryd::control
