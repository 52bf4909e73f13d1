#include "admin/bind.hpp"

#include "canaryd/base/ip.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <grp.h>
#include <optional>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace canaryd::admin {
namespace {

namespace asio = boost::asio;
using Code = boost::system::error_code;
using asio::generic::stream_protocol;

constexpr std::size_t kUnixPathMax = 107;
// Until it has its owner.
constexpr mode_t kSocketModeFirst = 0600;
// What it takes to connect, in the mode of a socket's file; config asks the same.
constexpr unsigned kOthersConnect = 0002;

tl::unexpected<Error> cannot_listen(const Code& code, const std::string& address) {
  ErrorCode kind = ErrorCode::kIo;
  if (code == asio::error::address_in_use) kind = ErrorCode::kAddressInUse;
  if (code == asio::error::access_denied) kind = ErrorCode::kPermission;
  const std::string advice = kind == ErrorCode::kAddressInUse
                                 ? "; stop what listens there, or set another `admin` address"
                                 : "";
  return fail(kind, "admin API cannot listen on " + address + ": " + code.message() + advice);
}

// Opens, binds and listens; the first step that fails ends it.
Code open_and_listen(Acceptor& acceptor, const stream_protocol::endpoint& endpoint, bool is_unix) {
  Code code;
  acceptor.open(endpoint.protocol(), code);
  if (code) return code;
  if (is_unix) {
    // Linux gives the socket file the mode of the descriptor, minus the umask: never more open than
    // meant.
    if (::fchmod(acceptor.native_handle(), kSocketModeFirst) != 0) {
      return {errno, boost::system::system_category()};
    }
  } else {
    acceptor.set_option(asio::socket_base::reuse_address(true), code);
    if (code) return code;
  }
  acceptor.bind(endpoint, code);
  if (code) return code;
  acceptor.listen(asio::socket_base::max_listen_connections, code);
  return code;
}

// A daemon that was killed leaves its socket file. It goes only if nobody answers behind it.
void remove_stale_socket(Acceptor& acceptor, const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  Code code;
  asio::local::stream_protocol::socket probe(acceptor.get_executor());
  probe.connect(asio::local::stream_protocol::endpoint(path), code);
  if (code == asio::error::connection_refused) ::unlink(path.c_str());
}

// The number of a name, or of a number; `find` asks the system and gives null when there is none.
template <class Find>
Result<unsigned> account(const std::string& text, const char* what, Find find) {
  unsigned number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && stop == end) return number;
  const std::optional<unsigned> found = find(text);
  if (found) return *found;
  return fail(ErrorCode::kInvalidArgument,
              "admin.socket." + std::string(what) + ": there is no " + what + " " + text);
}

// At start, before there is a second thread that might ask.
std::optional<unsigned> find_user(const std::string& name) {
  const passwd* const entry = ::getpwnam(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  return entry == nullptr ? std::nullopt : std::optional<unsigned>(entry->pw_uid);
}

std::optional<unsigned> find_group(const std::string& name) {
  const group* const entry = ::getgrnam(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  return entry == nullptr ? std::nullopt : std::optional<unsigned>(entry->gr_gid);
}

// Owner first, then the mode: it is never open to others than meant.
Result<void> hand_over(const std::string& path, const SocketFile& file) {
  constexpr unsigned kUnchanged = ~0U;
  unsigned owner = kUnchanged;
  unsigned group = kUnchanged;
  if (!file.owner.empty()) {
    CANARYD_TRY_ASSIGN(owner, account(file.owner, "owner", find_user));
  }
  if (!file.group.empty()) {
    CANARYD_TRY_ASSIGN(group, account(file.group, "group", find_group));
  }
  const bool stays = owner == kUnchanged && group == kUnchanged;
  if ((stays || ::lchown(path.c_str(), owner, group) == 0) &&
      ::chmod(path.c_str(), static_cast<mode_t>(file.mode)) == 0) {
    return {};
  }
  return cannot_listen(Code(errno, boost::system::system_category()), "unix:" + path);
}

SocketFileMark mark_of(const std::string& path) noexcept {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return {};
  return {path, status.st_dev, status.st_ino};
}

Result<Bound> listen_unix(Acceptor& acceptor,
                          const std::string& path,
                          const SocketFile& file,
                          bool has_tokens) {
  if (path.empty() || path.size() > kUnixPathMax) {
    return fail(ErrorCode::kInvalidArgument, "admin: a socket path has 1 to 107 bytes");
  }
  const bool is_open = (file.mode & kOthersConnect) == 0;
  if (!is_open && !has_tokens) {
    return fail(ErrorCode::kUnsupported,
                "admin: everybody on this host could connect to unix:" + path +
                    "; without tokens only its owner and group may");
  }
  remove_stale_socket(acceptor, path);
  const asio::local::stream_protocol::endpoint endpoint(path);
  if (const Code code = open_and_listen(acceptor, endpoint, true)) {
    return cannot_listen(code, "unix:" + path);
  }
  Bound bound{"unix:" + path, true, is_open, mark_of(path)};
  if (auto handed = hand_over(path, file); !handed) {
    remove_socket(bound.mark);
    return fail(std::move(handed).error());
  }
  return bound;
}

Result<Bound> listen_tcp(Acceptor& acceptor, SocketAddress address, bool has_tokens) {
  const bool is_local = address.ip.is_loopback();
  if (!is_local && !has_tokens) {
    return fail(ErrorCode::kUnsupported,
                "admin: " + to_string(address) +
                    " is not loopback; without tokens only loopback and unix:PATH are allowed");
  }
  const auto ip = asio::ip::make_address(to_string(address.ip));
  const asio::ip::tcp::endpoint endpoint(ip, address.port);
  if (const Code code = open_and_listen(acceptor, endpoint, false)) {
    return cannot_listen(code, to_string(address));
  }
  const auto bound = acceptor.local_endpoint();
  asio::ip::tcp::endpoint real;
  real.resize(bound.size());
  std::copy_n(static_cast<const char*>(static_cast<const void*>(bound.data())),
              bound.size(),
              static_cast<char*>(static_cast<void*>(real.data())));
  address.port = real.port();
  return Bound{to_string(address), is_local, is_local, {}};
}

}  // namespace

Result<Bound> listen_on(Acceptor& acceptor, const Options& options, bool has_tokens) {
  const std::string& address = options.address;
  if (address.starts_with("unix:")) {
    return listen_unix(acceptor, address.substr(5), options.socket, has_tokens);
  }
  const std::string_view localhost = "localhost:";
  const std::string literal =
      address.starts_with(localhost) ? "127.0.0.1:" + address.substr(localhost.size()) : address;
  CANARYD_TRY_ASSIGN(const SocketAddress parsed, parse_socket_address(literal));
  return listen_tcp(acceptor, parsed, has_tokens);
}

void remove_socket(const SocketFileMark& mark) noexcept {
  if (mark.path.empty()) return;
  struct stat status {};
  const bool ours = ::lstat(mark.path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) &&
                    status.st_dev == mark.device && status.st_ino == mark.inode;
  if (ours) ::unlink(mark.path.c_str());
}

}  // namespace canaryd::admin
