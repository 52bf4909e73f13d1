#include "control/messenger.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/rollout/effect.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

namespace canaryd::control {
namespace {

constexpr std::size_t kMessagesAtOnce = 100;
constexpr Duration kTryAgainMost = std::chrono::minutes(5);
constexpr std::chrono::hours kGivenUpAfter{24};
// What was in force before the journal had it is found without being announced.
constexpr Duration kLookAnyway = std::chrono::seconds(5);

// The same hook has the same name after a restart, wherever it stands in the file. It is stored,
// and shown to nobody.
std::string readers_prefix(const std::string& rollout) {
  return rollout + " ";
}

std::string reader_of(const std::string& rollout, const config::Hook& hook) {
  return readers_prefix(rollout) + target_of(hook);
}

// Those that are told something. What goes to the same place is one hook, which is told once.
std::vector<config::Hook> listeners_of(const config::Rollout& rollout) {
  std::vector<config::Hook> found;
  for (const config::Hook& hook : rollout.hooks) {
    const auto tells = [](config::HookOn on) { return on != config::HookOn::kBeforeStep; };
    if (std::none_of(hook.on.begin(), hook.on.end(), tells)) continue;
    const auto same = std::find_if(found.begin(), found.end(), [&](const config::Hook& each) {
      return target_of(each) == target_of(hook);
    });
    if (same == found.end()) {
      found.push_back(hook);
    } else {
      same->on.insert(same->on.end(), hook.on.begin(), hook.on.end());
    }
  }
  return found;
}

void add_text(std::string& out, std::string_view key, std::string_view value) {
  out += out.size() > 1 ? ", " : "";
  append_json_string(out, key);
  out += ": ";
  append_json_string(out, value);
}

}  // namespace

struct Messenger::Channel {
  std::string rollout;
  std::string reader;
  config::Hook hook;
  bool open = false;     // The cursor is known.
  bool busy = false;     // The store or the hook is asked.
  bool dropped = false;  // Not followed any more.
  bool stale = true;     // The journal may have more.
  std::uint64_t cursor = 0;
  std::deque<store::JournalRow> rows;
  std::uint32_t failures = 0;  // In a row.
  Monotonic try_again{};
  Monotonic look_again{};
};

namespace {

// Held already, and now for another reason, which may be one that only an operator ends. A fall of
// what goes back to stable is none, nor is stable's going down beside it.
bool is_held_anew(const store::JournalEntry& entry) {
  if (entry.from != "held" || entry.to != "held") return false;
  // With the same event an operator changes the pace of a return, which moves nobody.
  if (entry.event == "rollback") return entry.weight_after < entry.weight_before;
  constexpr std::array kReasons{
      rollout::Cause::kVerdict, rollout::Cause::kBadReading, rollout::Cause::kNoReading};
  return std::any_of(kReasons.begin(), kReasons.end(), [&](rollout::Cause cause) {
    return entry.cause == rollout::to_string(cause);
  });
}

}  // namespace

bool is_news_for(const config::Hook& hook, const store::JournalEntry& entry) {
  const auto waits_anew = [&] {
    return entry.to == "waiting" && entry.event == "tick";  // For something else than before.
  };
  const bool entered = entry.from != entry.to || entry.event == "start" || entry.event == "retry";
  if (!entered && !waits_anew() && !is_held_anew(entry)) return false;
  return std::any_of(hook.on.begin(), hook.on.end(), [&](config::HookOn on) {
    if (on == config::HookOn::kBeforeStep) return false;
    if (on == config::HookOn::kInconclusive) {
      return entry.to == "held" && entry.cause == "inconclusive";
    }
    return entry.to == config::to_string(on);
  });
}

std::string message_of(const store::JournalRow& row) {
  const store::JournalEntry& entry = row.entry;
  std::string out = "{\"id\": " + std::to_string(row.id);
  out += ", \"generation\": " + std::to_string(entry.generation);
  add_text(out, "time", format_time(entry.at));
  add_text(out, "rollout", entry.rollout);
  add_text(out, "state", entry.to);
  add_text(out, "from", entry.from);
  add_text(out, "reason", entry.cause);
  out += ", \"weight\": " + format_percent(entry.weight_after);
  add_text(out, "actor", entry.actor);
  // "text" is what chat systems show.
  add_text(out, "text", entry.sentence);
  return out + "}";
}

Messenger::Messenger(HookCaller& caller,
                     store::AsyncStore& store,
                     Log& log,
                     HookTally& tally,
                     const ClockWatch& clock_watch)
    : caller_(caller), store_(store), log_(log), tally_(tally), clock_watch_(clock_watch) {}

Messenger::~Messenger() {
  for (const ChannelPointer& channel : channels_) channel->dropped = true;
}

void Messenger::follow(const std::vector<config::Rollout>& rollouts) {
  forget_others(rollouts);
  std::vector<ChannelPointer> kept = std::exchange(channels_, {});
  for (const config::Rollout& rollout : rollouts) {
    for (const config::Hook& hook : listeners_of(rollout)) {
      const std::string reader = reader_of(rollout.name, hook);
      const auto old = std::find_if(kept.begin(), kept.end(), [&](const ChannelPointer& each) {
        return each->reader == reader;
      });
      if (old != kept.end()) {
        (*old)->hook = hook;
        channels_.push_back(*old);
        continue;
      }
      auto channel = std::make_shared<Channel>();
      channel->rollout = rollout.name;
      channel->reader = reader;
      channel->hook = hook;
      channels_.push_back(channel);
      open(channel);
    }
  }
  for (const ChannelPointer& each : kept) {
    each->dropped = std::find(channels_.begin(), channels_.end(), each) == channels_.end();
  }
}

// Before a new one is opened, which may have been followed once. Should that fail it is done with
// the next reload or start.
void Messenger::forget_others(const std::vector<config::Rollout>& rollouts) {
  store::Batch batch;
  for (const config::Rollout& rollout : rollouts) {
    store::Readers readers{readers_prefix(rollout.name), {}};
    for (const config::Hook& hook : listeners_of(rollout)) {
      readers.names.push_back(reader_of(rollout.name, hook));
    }
    batch.readers.push_back(std::move(readers));
  }
  if (batch.empty()) return;
  store_.write(std::move(batch), store::Keep::kOnce, [](const Result<void>&) {});
}

std::vector<store::RolloutReader> Messenger::readers() const {
  std::vector<store::RolloutReader> all;
  for (const ChannelPointer& channel : channels_) {
    all.push_back({channel->rollout, channel->reader});
  }
  return all;
}

void Messenger::look_again() noexcept {
  for (const ChannelPointer& channel : channels_) channel->stale = true;
}

void Messenger::tick(Monotonic now) {
  now_ = now;
  for (const ChannelPointer& channel : std::vector(channels_)) {
    if (channel->busy || now < channel->try_again) continue;
    if (!channel->open) {
      open(channel);
    } else if (!channel->rows.empty()) {
      deliver(channel);
    } else if (channel->stale || now >= channel->look_again) {
      read(channel);
    }
  }
}

// The store works in the order in which it is asked, so what is written from now on is behind the
// cursor of a new hook.
void Messenger::open(const ChannelPointer& channel) {
  channel->busy = true;
  store_.open_cursor(channel->reader, [channel](const Result<std::uint64_t>& cursor) {
    if (channel->dropped) return;
    channel->busy = false;
    channel->open = cursor.has_value();
    if (cursor) channel->cursor = *cursor;
  });
}

void Messenger::read(const ChannelPointer& channel) {
  channel->busy = true;
  channel->stale = false;
  channel->look_again = now_ + kLookAnyway;
  store::HistoryQuery query;
  query.rollout = channel->rollout;
  query.limit = kMessagesAtOnce;
  query.after = channel->cursor;
  store_.history(query, [this, channel](Result<std::vector<store::JournalRow>> found) {
    if (channel->dropped) return;
    channel->busy = false;
    if (!found || found->empty()) return;
    channel->stale = channel->stale || found->size() == kMessagesAtOnce;
    std::size_t old = 0;
    for (store::JournalRow& row : *found) {
      channel->cursor = row.id;
      if (!is_news_for(channel->hook, row.entry)) continue;
      if (is_too_old(row)) {
        ++old;
      } else {
        channel->rows.push_back(std::move(row));
      }
    }
    if (old > 0) tell_of_old_rows(*channel, old);
    if (!channel->rows.empty()) return deliver(channel);
    move_cursor(*channel, channel->cursor);
    if (channel->stale) read(channel);
  });
}

// A clock that is set ages nothing.
bool Messenger::is_too_old(const store::JournalRow& row) const noexcept {
  return clock_watch_.since(row.entry.at) > kGivenUpAfter;
}

// The daemon did not run for a day, say.
void Messenger::tell_of_old_rows(const Channel& channel, std::size_t count) {
  log_.warn(log_event::kHookFailed,
            shown_target(channel.hook) + " is not told of " + std::to_string(count) +
                (count == 1 ? " change of " : " changes of ") + channel.rollout +
                " that happened more than a day ago",
            {{"rollout", channel.rollout}});
}

void Messenger::deliver(const ChannelPointer& channel) {
  channel->busy = true;
  caller_.call(channel->hook,
               channel->rollout,
               message_of(channel->rows.front()),
               [this, channel](const Result<void>& answer) {
                 if (channel->dropped) return;
                 channel->busy = false;
                 if (answer) return taken(channel);
                 not_taken(channel, answer.error());
               });
}

void Messenger::taken(const ChannelPointer& channel) {
  ++tally_[channel->rollout].ok;
  done_with_row(channel);
}

void Messenger::not_taken(const ChannelPointer& channel, const Error& error) {
  ++tally_[channel->rollout].failed;
  ++channel->failures;
  channel->try_again = now_ + back_off(channel->failures, kTryAgainMost);
  const store::JournalRow& row = channel->rows.front();
  const bool late = is_too_old(row);
  if (late || channel->failures == 1) {
    log_.warn(log_event::kHookFailed,
              shown_target(channel->hook) + " was not told that " + row.entry.sentence + ": " +
                  describe(error) + (late ? "; it is given up" : "; it is tried again"),
              {{"rollout", channel->rollout}, {"state", row.entry.to}});
  }
  if (late) done_with_row(channel);
}

void Messenger::done_with_row(const ChannelPointer& channel) {
  move_cursor(*channel, channel->rows.front().id);
  channel->rows.pop_front();
  channel->failures = 0;
  channel->try_again = Monotonic();
  if (!channel->rows.empty()) deliver(channel);
}

// If that cannot be written, messages are told again after a restart.
void Messenger::move_cursor(const Channel& channel, std::uint64_t id) {
  store::Batch batch;
  batch.cursors.push_back({channel.reader, id});
  store_.write(std::move(batch), store::Keep::kOnce, [](const Result<void>&) {});
}

}  // namespace canaryd::control
