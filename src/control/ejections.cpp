// The workers eject endpoints by themselves and write no log; control looks once a second.
#include "control/controller_state.hpp"

#include <string>

namespace canaryd::control {

void Controller::State::tell_ejections() {
  for (const EjectionChange& change : upstreams.ejection_changes(parts.clock->now())) {
    const std::string address = to_string(change.endpoint);
    const std::string who = "endpoint " + address + " of " + change.upstream;
    const std::initializer_list<LogField> fields{
        {"upstream", change.upstream}, {"endpoint", address}, {"ejected", change.ejected}};
    if (change.ejected) {
      parts.log->warn(
          log_event::kEndpointEjected, who + " is ejected: requests there failed in a row", fields);
    } else {
      parts.log->info(log_event::kEndpointEjected, who + " is in use again", fields);
    }
  }
}

}  // namespace canaryd::control
