// The admin API must not be open to more people than were meant.
#include "config/validate.hpp"

#include <array>
#include <string>
#include <string_view>

namespace canaryd::config {
namespace {

constexpr std::uint32_t kOthersWrite = 0002;

struct TakenName {
  std::string_view name;
  std::string_view whose;
};
// Who else does things, in the journal.
constexpr std::array<TakenName, 4> kTaken{{{"canaryd", "what the daemon does by itself"},
                                           {"local", "a caller without a token"},
                                           {"browser", "a vote of a page"},
                                           {"signal", "a reload by SIGHUP"}}};

void check_names(const Admin& admin, Reader& in) {
  const auto& tokens = admin.tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string path = "admin.tokens[" + std::to_string(i) + "].name";
    for (const TakenName& taken : kTaken) {
      if (taken.name != tokens[i].name) continue;
      in.error_at_value(path,
                        path + ": by this name the journal means " + std::string(taken.whose));
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
