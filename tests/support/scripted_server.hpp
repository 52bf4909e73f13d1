// One connection on loopback, port 0, that reads a request head and then sends the bytes of a
// script; or several, one after the other, with a script each.
#pragma once

#include <arpa/inet.h>
#include <cstddef>
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace canaryd::test {

class ScriptedServer {
 public:
  // With hold, the connection stays open and silent after the script, until the peer closes it.
  explicit ScriptedServer(std::string script, bool hold = false)
      : ScriptedServer(std::vector<std::string>{std::move(script)}, hold) {}
  explicit ScriptedServer(std::vector<std::string> scripts, bool hold = false)
      : scripts_(std::move(scripts)), hold_(hold), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&address));
    ::bind(listener_, generic, size);
    ::listen(listener_, 8);
    ::getsockname(listener_, generic, &size);
    port = ::ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);  // Wakes accept().
    thread_.join();
    ::close(listener_);
  }

  // After the exchanges: what arrived.
  [[nodiscard]] std::string request() {
    thread_.join();
    thread_ = std::thread([] {});
    return request_;
  }

  std::uint16_t port = 0;

 private:
  void serve() {
    for (const std::string& script : scripts_) {
      const int peer = ::accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      answer(peer, script);
    }
  }
  void answer(int peer, const std::string& script) {
    char buffer[4096];
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      const ssize_t count = ::recv(peer, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      head.append(buffer, static_cast<std::size_t>(count));
    }
    request_ += head;
    ::send(peer, script.data(), script.size(), MSG_NOSIGNAL);
    if (hold_) {
      while (::recv(peer, buffer, sizeof(buffer), 0) > 0) {
      }
    }
    ::close(peer);
  }

  std::vector<std::string> scripts_;
  bool hold_;
  int listener_;
  std::string request_;
  std::thread thread_;
};

}  // namespace canaryd::test
