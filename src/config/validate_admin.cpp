// The admin API must not be open to more people than were meant.
#include "config/validate.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace canaryd::config {
namespace {

constexpr std::uint32_t kOthersWrite = 0002;
// Who else does things, in the journal.
constexpr std::array<std::string_view, 3> kTaken{"canaryd", "local", "browser"};

void check_names(const Admin& admin, Reader& in) {
  const auto& tokens = admin.tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string path = "admin.tokens[" + std::to_string(i) + "].name";
    if (std::find(kTaken.begin(), kTaken.end(), tokens[i].name) != kTaken.end()) {
      in.error_at_value(path, path + ": the journal means something else by this name");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (tokens[j].name != tokens[i].name) continue;
      in.error_at_value(path, path + ": this name is taken by tokens[" + std::to_string(j) + "]");
      break;
    }
  }
}

}  // namespace

void check_admin(const Config& config, Reader& in) {
  const Admin& admin = config.admin;
  if (in.is_bad("admin")) return;
  check_names(admin, in);
  if (!admin.is_socket()) {
    if (admin.address.ip.is_loopback() || !admin.tokens.empty()) return;
    in.error_at_value("admin.address",
                      "admin.address: " + to_string(admin.address) +
                          " can be reached from other hosts, and there are no admin.tokens",
                      "add tokens, or use a loopback address such as 127.0.0.1:9901");
    return;
  }
  if (!admin.tokens.empty() || (admin.socket.mode & kOthersWrite) == 0) return;
  in.error_at_value("admin.socket.mode",
                    "admin.socket.mode: everybody on this host may connect, and there are no "
                    "admin.tokens",
                    "add tokens, or use a mode such as \"0660\"");
}

}  // namespace canaryd::config
