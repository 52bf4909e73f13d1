#include "daemon/admin_access.hpp"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::daemon {
namespace {

admin::Role role_of(config::AdminRole role) noexcept {
  switch (role) {
    case config::AdminRole::kViewer:
      return admin::Role::kViewer;
    case config::AdminRole::kOperator:
      return admin::Role::kOperator;
    case config::AdminRole::kAdmin:
      return admin::Role::kAdmin;
  }
  return admin::Role::kNobody;
}

std::vector<admin::Token> tokens_of(const config::Admin& config) {
  std::vector<admin::Token> tokens;
  for (const config::AdminToken& token : config.tokens) {
    tokens.push_back({token.name, role_of(token.role), token.digest});
  }
  return tokens;
}

void record(const admin::Audit& entry, Log& log) {
  const std::string message =
      entry.method + " " + entry.path + " by " + entry.actor + ": " + std::to_string(entry.status);
  const std::initializer_list<LogField> fields{{"actor", entry.actor},
                                               {"peer", entry.peer},
                                               {"path", entry.path},
                                               {"status", entry.status},
                                               {"reason", entry.reason}};
  if (entry.status == 401 || entry.status == 403) {
    log.warn(log_event::kAdminRefused, message, fields);
  } else {
    log.info(log_event::kAdminChange, message, fields);
  }
}

}  // namespace

admin::Options admin_options(const config::Admin& config,
                             std::function<const config::Admin&()> now,
                             Log& log) {
  admin::Options options;
  options.address = config.where();
  options.socket.mode = config.socket.mode;
  options.socket.owner = config.socket.owner.value_or("");
  options.socket.group = config.socket.group.value_or("");
  options.dashboard = [now] { return now().dashboard; };
  options.tokens = [now = std::move(now)] { return tokens_of(now()); };
  options.audit = [&log](const admin::Audit& entry) { record(entry, log); };
  return options;
}

}  // namespace canaryd::daemon
