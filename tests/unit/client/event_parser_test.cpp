#include "client/event_parser.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>

namespace canaryd::client {
namespace {

constexpr std::size_t kPlenty = 10000;

std::string parse(std::string_view bytes, std::size_t piece) {
  EventParser parser(kPlenty);
  std::deque<Event> events;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    EXPECT_TRUE(parser.feed(bytes.substr(at, piece), events));
  }
  std::string all;
  for (const Event& event : events) {
    all += "[" + event.id + "|" + event.type + "|" + event.data + "]";
  }
  return all;
}

TEST(EventParser, ReadsAsTheStandardSays) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"data: a\n\n", "[|message|a]"},
      {"data:a\n\ndata: b\n\n", "[|message|a][|message|b]"},
      {"data:  a \n\n", "[|message| a ]"},
      {"event: x\ndata: a\n\ndata: b\n\n", "[|x|a][|message|b]"},
      {"id: 7\ndata: a\n\ndata: b\n\n", "[7|message|a][7|message|b]"},
      {"id: 7\nid\ndata: a\n\n", "[|message|a]"},
      {"data: a\ndata: b\n\n", "[|message|a\nb]"},
      {"data\n\n", "[|message|]"},
      {"data\ndata\n\n", "[|message|\n]"},
      {": still here\n\n", ""},
      {":\n:x\ndata: a\n:y\n\n", "[|message|a]"},
      {"event: x\n\ndata: a\n\n", "[|message|a]"},
      {"unknown: a\nretry: 5\ndata: b\n\n", "[|message|b]"},
      {"data: a\r\ndata: b\r\n\r\n", "[|message|a\nb]"},
      {"data: a\rdata: b\r\r", "[|message|a\nb]"},
      {"data: a\r\r\n", "[|message|a]"},
      {"\xEF\xBB\xBF"
       "data: a\n\n",
       "[|message|a]"},
      {"data: a\n", ""},  // Not complete: never handed on.
      {"data: a: b\n\n", "[|message|a: b]"},
  };
  for (const auto& [bytes, expected] : cases) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{1000}}) {
      EXPECT_EQ(parse(bytes, piece), expected) << "\"" << bytes << "\" by " << piece;
    }
  }
}

TEST(EventParser, BoundsALineAndAnEvent) {
  for (const std::string& start : {std::string("data: "), std::string(": "), std::string("x")}) {
    EventParser parser(100);
    std::deque<Event> events;
    const auto fed = parser.feed(start + std::string(100, 'x'), events);
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, ErrorCode::kLimit);
  }
  EventParser parser(100);
  std::deque<Event> events;
  Result<void> fed;
  int lines = 0;
  while (fed && lines < 100) {
    fed = parser.feed("data: 0123456789\n", events);
    ++lines;
  }
  EXPECT_FALSE(fed);
  EXPECT_LT(lines, 12);
  EXPECT_TRUE(events.empty());
}

TEST(EventParser, ManyEventsAreNoLongOne) {
  EventParser parser(100);
  std::deque<Event> events;
  std::string many;
  for (int i = 0; i < 100; ++i) many += "data: 0123456789\n\n";
  EXPECT_TRUE(parser.feed(many, events));
  EXPECT_EQ(events.size(), 100U);
}

}  // namespace
}  // namespace canaryd::client
