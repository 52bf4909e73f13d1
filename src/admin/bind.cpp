#include "admin/bind.hpp"

#include "canaryd/base/ip.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <sys/stat.h>
#include <unistd.h>

namespace canaryd::admin {
namespace {

namespace asio = boost::asio;
using Code = boost::system::error_code;
using asio::generic::stream_protocol;

constexpr std::size_t kUnixPathMax = 107;
constexpr mode_t kSocketMode = 0660;

tl::unexpected<Error> cannot_listen(const Code& code, const std::string& address) {
  ErrorCode kind = ErrorCode::kIo;
  if (code == asio::error::address_in_use) kind = ErrorCode::kAddressInUse;
  if (code == asio::error::access_denied) kind = ErrorCode::kPermission;
  return fail(kind, "cannot listen on " + address + ": " + code.message());
}

// Opens, binds and listens; the first step that fails ends it.
Code open_and_listen(Acceptor& acceptor, const stream_protocol::endpoint& endpoint, bool is_unix) {
  Code code;
  acceptor.open(endpoint.protocol(), code);
  if (code) return code;
  if (is_unix) {
    // Linux gives the socket file the mode of the descriptor, minus the umask: never more open than
    // meant.
    if (::fchmod(acceptor.native_handle(), kSocketMode) != 0) {
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

Result<Bound> listen_unix(Acceptor& acceptor, const std::string& path) {
  if (path.empty() || path.size() > kUnixPathMax) {
    return fail(ErrorCode::kInvalidArgument, "admin: a socket path has 1 to 107 bytes");
  }
  remove_stale_socket(acceptor, path);
  const asio::local::stream_protocol::endpoint endpoint(path);
  if (const Code code = open_and_listen(acceptor, endpoint, true)) {
    return cannot_listen(code, "unix:" + path);
  }
  // Now without the umask, so that the group may connect.
  if (::chmod(path.c_str(), kSocketMode) != 0) {
    return cannot_listen(Code(errno, boost::system::system_category()), "unix:" + path);
  }
  return Bound{"unix:" + path, path};
}

Result<Bound> listen_tcp(Acceptor& acceptor, SocketAddress address) {
  if (!address.ip.is_loopback()) {
    return fail(
        ErrorCode::kUnsupported,
        "admin: " + to_string(address) +
            " is not loopback; without authentication only loopback and unix:PATH are allowed");
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
  return Bound{to_string(address), ""};
}

}  // namespace

Result<Bound> listen_on(Acceptor& acceptor, const std::string& address) {
  if (address.starts_with("unix:")) return listen_unix(acceptor, address.substr(5));
  const std::string_view localhost = "localhost:";
  const std::string literal =
      address.starts_with(localhost) ? "127.0.0.1:" + address.substr(localhost.size()) : address;
  CANARYD_TRY_ASSIGN(const SocketAddress parsed, parse_socket_address(literal));
  return listen_tcp(acceptor, parsed);
}

}  // namespace canaryd::admin
