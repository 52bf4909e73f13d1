// The admin API: where it listens, and its tokens.
#include "config/fields.hpp"

#include <algorithm>
#include <charconv>

namespace canaryd::config {
namespace {

constexpr std::size_t kSocketPathMax = 107;  // sun_path without its final zero.
constexpr std::size_t kTokensMax = 64;

bool is_socket_path(std::string_view text) {
  return !text.empty() && is_printable(text);
}

bool is_account(std::string_view text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

Codec<Admin> where() {
  Codec<Admin> codec;
  const auto ip = address();
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "address: IP:port, [v6]:port or unix:PATH";
  codec.shape.pattern = ip.shape.pattern + "|^unix:.+$";
  codec.read = [read = ip.read](Reader& in, const Node& node, Admin& out) {
    constexpr std::string_view kUnix = "unix:";
    if (node.kind != Node::Kind::kScalar || !node.text.starts_with(kUnix)) {
      return read(in, node, out.address);
    }
    const std::string path = node.text.substr(kUnix.size());
    if (!is_socket_path(path) || path.size() > kSocketPathMax) {
      return in.error(node, "the path of a socket has 1 to 107 bytes, none of them a control");
    }
    out.socket_path = path;
    return true;
  };
  codec.write = [](const Admin& value, const Names& /*names*/) {
    return std::optional(Node::string(value.where()));
  };
  return codec;
}

Codec<std::uint32_t> file_mode() {
  Codec<std::uint32_t> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "mode: octal, quoted";
  codec.shape.pattern = "^0?[0-7]{3}$";
  codec.read = [](Reader& in, const Node& node, std::uint32_t& out) {
    if (!is_text(in, node, "a mode in quotes such as \"0660\"")) return false;
    const std::string_view text = node.text;
    const bool sized = text.size() == 3 || (text.size() == 4 && text.front() == '0');
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, out, 8);
    if (sized && error == std::errc() && stop == end) return true;
    return in.error(node, "expected a mode such as \"0660\", got " + quoted(node.text));
  };
  codec.write = [](const std::uint32_t& value, const Names& /*names*/) {
    std::string text = "0";
    for (const unsigned shift : {6U, 3U, 0U}) {
      text += static_cast<char>('0' + ((value >> shift) & 7U));
    }
    return std::optional(Node::string(text));
  };
  return codec;
}

const Section<AdminSocket>& socket_section() {
  static const auto made = [] {
    Section<AdminSocket> s("Admin socket");
    const auto account = [] {
      return optional(
          text({"a name or a number", "^[a-zA-Z0-9_.][a-zA-Z0-9_.-]*$", is_account, 32}));
    };
    s.add("mode", &AdminSocket::mode, file_mode(), "Who may connect: mode of the socket's file.")
        .restart = true;
    s.add("owner", &AdminSocket::owner, account(), "Owner of the file; without it: the daemon's.")
        .restart = true;
    s.add("group", &AdminSocket::group, account(), "Group of the file; without it: the daemon's.")
        .restart = true;
    return s;
  }();
  return made;
}

const Section<AdminToken>& token_section() {
  static const auto made = [] {
    Section<AdminToken> s("Admin token");
    s.require("name", &AdminToken::name, name(), "Who it is: in the journal, never the token.");
    s.require("role",
              &AdminToken::role,
              choice(kAdminRoles),
              "`viewer` reads, `operator` also changes rollouts, `admin` may do everything.");
    s.require(
        "token_file",
        &AdminToken::token_file,
        text({"a file name", "", is_socket_path, 1024}),
        "Holds the token, or `sha256:` and its hash; relative to this file. No mode that lets "
        "others read it. Read again with each reload.");
    return s;
  }();
  return made;
}

}  // namespace

const Section<Admin>& admin_section() {
  static const auto made = [] {
    Section<Admin> s("Admin");
    s.add("address",
          Whole{},
          where(),
          "Where the admin API and metrics listen: loopback, a Unix socket, or with `tokens` any.")
        .restart = true;
    s.add("socket", &Admin::socket, section(socket_section()), "The file of a Unix socket.");
    s.add("tokens",
          &Admin::tokens,
          list_of(section(token_section()), 0, kTokensMax),
          "Who may use it, and for what; without any, whoever can connect may do everything.");
    s.add("dashboard",
          &Admin::dashboard,
          boolean(),
          "Serve the dashboard at `/`; what may be seen and done there is what its user may.");
    return s;
  }();
  return made;
}

}  // namespace canaryd::config
