// Requests with numbers, and upstreams that know from the number what to expect and what to do.
#pragma once

#include "component/tunnel_world.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::test {

// What becomes of a request, by its number.
enum class Fate {
  kLength,
  kChunked,
  kUntilClose,
  kNoContent,
  kLastOne,    // "Connection: close".
  kEarly,      // Answered as soon as its head is there,
  kEarlyShut,  // and the connection closed behind it.
  kHints,
  kContinued,
  kFails,   // 503.
  kResets,  // As soon as its head is there.
  kSilent,
  kHalf,   // Half an answer, then the end.
  kExtra,  // An answer, and a byte that belongs to none.
  kCount
};
// A number's own stream of choices.
class Draw {
 public:
  Draw(unsigned number, unsigned topic) : random_(number * 131U + topic) {}
  std::size_t below(std::size_t bound) { return random_.below(bound); }
  bool chance(double share) { return random_.chance(share); }

 private:
  Random random_;
};

// Of another size, and other bytes, for each number.
inline std::string content_of(unsigned number, unsigned topic) {
  Draw draw(number, topic);
  const std::size_t size = draw.chance(0.2) ? 0 : draw.below(draw.chance(0.2) ? 40'000 : 300);
  const std::string mark = std::to_string(number) + (topic == 0 ? "up;" : "down;");
  std::string text;
  while (text.size() < size) text += mark;
  text.resize(size);
  return text;
}
inline std::string upload_of(unsigned number) {
  return content_of(number, 0);
}
inline std::string answer_of(unsigned number) {
  return content_of(number, 1);
}

inline bool is_idempotent(std::string_view method) {
  return method != "POST";
}

inline unsigned number_of(const Message& request) {
  return static_cast<unsigned>(std::stoul(request.target().substr(1)));
}

// How often the heads of each number have come to any of them.
using Arrivals = std::map<unsigned, unsigned>;

class Version {
 public:
  // `failing`: a share of the answers are failures.
  Version(ProxyWorld& world, const net::Address& at, Arrivals& arrivals, double failing)
      : server_(world.net, at), arrivals_(arrivals), failing_(failing) {
    server_.on_data([this](SimPeer& peer) { read(peer, states_[&peer]); });
  }

 private:
  struct State {
    std::string text;
    bool head_seen = false;
    bool answered = false;
    bool done = false;  // Nothing more is read or said.
    bool tunnel = false;
  };

  void read(SimPeer& peer, State& state) {
    state.text += peer.take();
    while (!state.done && !state.text.empty()) {
      if (state.tunnel) {
        peer.send(std::exchange(state.text, {}));
        return;
      }
      if (!state.head_seen && !see_head(peer, state)) return;
      const auto request = take_message(state.text, BodyRule::kRequest);
      if (state.done || !request) return;
      check(*request);
      if (!state.answered) answer(peer, state, *request);
      state.head_seen = state.answered = false;
    }
  }

  // False: it is not there yet.
  bool see_head(SimPeer& peer, State& state) {
    const std::size_t end = state.text.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    std::string head = state.text.substr(0, end + 4);
    const auto request = take_message(head, BodyRule::kRequest, true);
    const bool sound = request->start.ends_with(" HTTP/1.1") && request->target().size() > 1 &&
                       request->target().find_first_not_of("0123456789", 1) == std::string::npos;
    EXPECT_TRUE(sound) << "not the beginning of a request: " << request->start;
    if (!sound) {
      peer.reset();
      state.done = true;
      return false;
    }
    state.head_seen = true;
    const unsigned seen = ++arrivals_[number_of(*request)];
    EXPECT_LE(seen, is_idempotent(request->method()) ? 6U : 1U) << request->start;
    begin(peer, state, *request);
    return !state.done;
  }

  static void check(const Message& request) {
    const unsigned number = number_of(request);
    const bool carries = request.has("Content-Length") || request.has("Transfer-Encoding");
    EXPECT_EQ(request.body, carries ? upload_of(number) : "") << request.start;
    for (const auto& [name, value] : request.trailers) EXPECT_EQ(name, "X-Sum") << value;
    EXPECT_EQ(request.field("Host"), "a");
    EXPECT_FALSE(request.has("Bad Field"));
  }

  [[nodiscard]] Fate fate(unsigned number) const {
    Draw draw(number, 4);
    const bool fails = draw.chance(failing_);
    const auto first = static_cast<std::size_t>(fails ? Fate::kFails : Fate::kLength);
    const auto end = static_cast<std::size_t>(fails ? Fate::kCount : Fate::kFails);
    return static_cast<Fate>(first + draw.below(end - first));
  }

  // With the head.
  void begin(SimPeer& peer, State& state, const Message& request) {
    switch (fate(number_of(request))) {
      case Fate::kEarly:
        return answer(peer, state, request);
      case Fate::kEarlyShut:
        answer(peer, state, request);
        return hang_up(peer, state);
      case Fate::kHints:
        return peer.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
      case Fate::kContinued:
        if (request.has("Expect")) peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        return;
      case Fate::kResets:
        state.done = true;
        return peer.reset();
      default:
        return;
    }
  }

  static void hang_up(SimPeer& peer, State& state) {
    state.done = true;
    peer.close();
  }

  void answer(SimPeer& peer, State& state, const Message& request) {
    state.answered = true;
    const unsigned number = number_of(request);
    const std::string id = "X-Id: " + std::to_string(number) + "\r\n";
    if (request.has("Upgrade")) {
      std::string switching(kSwitching);
      peer.send(switching.insert(switching.size() - 2, id));
      state.tunnel = true;
      return;
    }
    const bool bare = request.method() == "HEAD";
    const std::string body = answer_of(number);
    const std::string data = bare ? "" : body;
    const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
    const std::string whole = "HTTP/1.1 200 OK\r\n" + id + length + "\r\n" + data;
    switch (fate(number)) {
      case Fate::kChunked:
        return peer.send("HTTP/1.1 200 OK\r\n" + id + "Transfer-Encoding: chunked\r\n\r\n" +
                         (bare ? "" : chunked(body, 1 + number % 500)));
      case Fate::kUntilClose:
        peer.send("HTTP/1.1 200 OK\r\n" + id + "\r\n" + data);
        return hang_up(peer, state);
      case Fate::kNoContent:
        return peer.send("HTTP/1.1 204 No Content\r\n" + id + "\r\n");
      case Fate::kLastOne:
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\n" + id + length + "\r\n" + data);
        return hang_up(peer, state);
      case Fate::kFails:
        return peer.send("HTTP/1.1 503 Oh\r\n" + id + length + "\r\n" + data);
      case Fate::kSilent:
        return;
      case Fate::kHalf:
        peer.send(whole.substr(0, whole.size() / 2));
        return hang_up(peer, state);
      case Fate::kExtra:
        return peer.send(whole + "x");
      default:
        return peer.send(whole);
    }
  }

  SimServer server_;
  Arrivals& arrivals_;
  double failing_;
  std::map<SimPeer*, State> states_;
};

}  // namespace canaryd::test
