// Checks the chain of the journal some rows at a time, so that the store's thread is never held up
// for long. Private to the room.
#pragma once

#include "canaryd/store/async_store.hpp"

#include <functional>
#include <memory>

namespace canaryd::control {

// `alive` turns false when the store may not be used any more; then `done` is not called. Thread
// rule: the control thread.
void check_chain(store::AsyncStore& store,
                 std::shared_ptr<const bool> alive,
                 store::Verification so_far,
                 std::function<void(Result<store::Verification>)> done);

}  // namespace canaryd::control
