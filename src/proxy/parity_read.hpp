// One read that is asked three times more, off its client's path: of stable, of the canary, and of
// stable again kAgainAfter later, so that whatever stable changes by itself is seen to change. Its
// three copies go as those of a mirror do (mirror.hpp), by connections of their own, and share one
// PendingRead; the last one that ends hands it over to control.
//
// Nothing is handed over if a copy could not be sent, because something was scarce, or if stable
// did not answer: such a read says nothing. A canary that does not answer where stable does is as
// much of an answer as any other.
//
// Thread rule: one worker. Limits: PendingReads::kMax of them at a time, of three answers each.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/http/message.hpp"
#include "canaryd/proxy/parity_policy.hpp"
#include "canaryd/stats/parity_read.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace canaryd::proxy {

// How many there are on this worker.
class PendingReads {
 public:
  static constexpr std::size_t kMax = 32;

  [[nodiscard]] bool full() const noexcept { return count_ >= kMax; }

 private:
  friend class PendingRead;
  std::size_t count_ = 0;
};

class PendingRead {
 public:
  static constexpr Duration kAgainAfter = std::chrono::milliseconds(1100);

  PendingRead(PendingReads& all,
              const ParityPolicy& policy,
              std::shared_ptr<stats::ParityQueue> queue);
  PendingRead(const PendingRead&) = delete;
  PendingRead& operator=(const PendingRead&) = delete;
  ~PendingRead();

  [[nodiscard]] stats::ParityRead& read() noexcept { return *read_; }
  [[nodiscard]] bool given_up() const noexcept { return given_up_; }
  // Its copies have ended for another reason than what they were answered: nothing comes of it.
  void give_up() noexcept { given_up_ = true; }
  // The same, because something was scarce.
  void too_busy() noexcept;

 private:
  PendingReads& all_;
  std::shared_ptr<stats::ParityCounts> counts_;
  std::shared_ptr<stats::ParityQueue> queue_;
  std::unique_ptr<stats::ParityRead> read_ = std::make_unique<stats::ParityRead>();
  bool given_up_ = false;
};

// Where a copy keeps its answer, as far as the policy goes. Empty: it is kept nowhere.
class AnswerKeeper {
 public:
  AnswerKeeper() noexcept = default;
  // `place` is in the read. The policy is that of the table which the copy holds.
  AnswerKeeper(boost::local_shared_ptr<PendingRead> read,
               stats::ParityAnswer& place,
               const ParityPolicy& policy) noexcept
      : read_(std::move(read)), place_(&place), policy_(&policy) {}

  // False: nothing comes of it any more.
  [[nodiscard]] bool wanted() const noexcept { return read_ == nullptr || !read_->given_up(); }
  void head(const http::ResponseHead& head);
  void data(std::string_view run);
  void end(bool answered) noexcept;
  void give_up() noexcept;
  void too_busy() noexcept;

 private:
  boost::local_shared_ptr<PendingRead> read_;
  stats::ParityAnswer* place_ = nullptr;
  const ParityPolicy* policy_ = nullptr;
};

}  // namespace canaryd::proxy
