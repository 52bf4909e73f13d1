// Tells hooks what has happened to rollouts: once for each state that is entered, at least.
//
// The journal is the list of what is to be told, so nothing is told that is not durable, and
// nothing is lost with the process: each hook has a cursor in the store, which moves when a message
// was taken (a 2xx). One that was taken just before a crash is told again, with the same id.
// Messages of a hook go out one after the other; one that is not taken is tried again later and
// later, and given up a day after the transition, in real time where that was in this process. A
// new hook hears of what happens from then on, and one that its rollout has left out of the file
// for a while is new; one that has left the file with its rollout comes back with it.
//
// Thread rule: the control thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/store/async_store.hpp"
#include "control/clock_watch.hpp"
#include "control/hook_call.hpp"

#include <memory>
#include <string>
#include <vector>

namespace canaryd::control {

class Messenger {
 public:
  // `clock_watch` looks wherever a transition takes its time, and once a second.
  Messenger(HookCaller& caller,
            store::AsyncStore& store,
            Log& log,
            HookTally& tally,
            const ClockWatch& clock_watch);
  ~Messenger();
  Messenger(const Messenger&) = delete;
  Messenger& operator=(const Messenger&) = delete;

  // The hooks of these from now on. Before their next transition is stored.
  void follow(const std::vector<config::Rollout>& rollouts);
  // The cursors of those that are told.
  [[nodiscard]] std::vector<store::RolloutReader> readers() const;
  // Something was written to the journal.
  void look_again() noexcept;
  // Once a second.
  void tick(Monotonic now);

 private:
  struct Channel;
  using ChannelPointer = std::shared_ptr<Channel>;

  void forget_others(const std::vector<config::Rollout>& rollouts);
  void open(const ChannelPointer& channel);
  void read(const ChannelPointer& channel);
  [[nodiscard]] bool is_too_old(const store::JournalRow& row) const noexcept;
  void tell_of_old_rows(const Channel& channel, std::size_t count);
  void deliver(const ChannelPointer& channel);
  void taken(const ChannelPointer& channel);
  void not_taken(const ChannelPointer& channel, const Error& error);
  void done_with_row(const ChannelPointer& channel);
  void move_cursor(const Channel& channel, std::uint64_t id);

  HookCaller& caller_;
  store::AsyncStore& store_;
  Log& log_;
  HookTally& tally_;
  const ClockWatch& clock_watch_;
  std::vector<ChannelPointer> channels_;
  Monotonic now_{};
};

// Whether a row of the journal is news for this hook.
[[nodiscard]] bool is_news_for(const config::Hook& hook, const store::JournalEntry& entry);
// What it is told.
[[nodiscard]] std::string message_of(const store::JournalRow& row);

}  // namespace canaryd::control
