#include "canaryd/routing/client_address.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace canaryd::routing {
namespace {

const std::vector<Cidr> kTrusted{*parse_cidr("10.0.0.0/8"), *parse_cidr("fd00::/8")};

std::string client(std::string_view peer, std::vector<std::string_view> lines) {
  return to_string(resolve_client(*parse_ip(peer), lines, kTrusted));
}

TEST(ClientAddress, IgnoresTheFieldFromAnUntrustedPeer) {
  EXPECT_EQ(client("203.0.113.9", {"1.2.3.4"}), "203.0.113.9");
  EXPECT_EQ(client("203.0.113.9", {"1.2.3.4, 10.0.0.1"}), "203.0.113.9");
  EXPECT_EQ(client("2001:db8::9", {"1.2.3.4"}), "2001:db8::9");
  EXPECT_EQ(
      to_string(resolve_client(
          *parse_ip("10.0.0.1"), std::vector<std::string_view>{"1.2.3.4"}, std::vector<Cidr>{})),
      "10.0.0.1");
}

TEST(ClientAddress, TakesTheRightmostUntrusted) {
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.7"}), "198.51.100.7");
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.7, 10.1.1.1,10.2.2.2"}), "198.51.100.7");
  // What the client wrote itself stands to the left of what the first trusted proxy added.
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, 198.51.100.7, 10.1.1.1"}), "198.51.100.7");
  EXPECT_EQ(client("fd00::1", {"2001:db8::7, fd00::2"}), "2001:db8::7");
}

TEST(ClientAddress, ReadsLinesInTheirOrder) {
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1", "198.51.100.7, 10.1.1.1"}), "198.51.100.7");
  EXPECT_EQ(client("10.0.0.1", {"1.1.1.1, 198.51.100.7", "10.1.1.1"}), "198.51.100.7");
}

TEST(ClientAddress, WithoutAFieldOrWithTrustedHopsOnly) {
  EXPECT_EQ(client("10.0.0.1", {}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {""}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {" , ,"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"10.9.9.9, 10.1.1.1"}), "10.9.9.9");
}

TEST(ClientAddress, CutsPortsAndUnmapsIPv4) {
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.7:5678"}), "198.51.100.7");
  EXPECT_EQ(client("10.0.0.1", {"[2001:db8::7]:443"}), "2001:db8::7");
  EXPECT_EQ(client("10.0.0.1", {"[2001:db8::7]"}), "2001:db8::7");
  EXPECT_EQ(client("10.0.0.1", {"::ffff:198.51.100.7"}), "198.51.100.7");
  EXPECT_EQ(client("::ffff:10.0.0.1", {"198.51.100.7"}), "198.51.100.7");
  EXPECT_EQ(client("::ffff:203.0.113.9", {}), "203.0.113.9");
}

// What is no address is not passed over: that would let a client hide behind it.
TEST(ClientAddress, StopsAtWhatIsNoAddress) {
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.7, unknown"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.7, _hidden, 10.1.1.1"}), "10.1.1.1");
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.7, [2001:db8::7"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"198.51.100.7, [2001:db8::7]x"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"1.2.3.4.5"}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {"["}), "10.0.0.1");
  EXPECT_EQ(client("10.0.0.1", {std::string_view("1.2.3.4\0x", 9)}), "10.0.0.1");
}

TEST(ClientAddress, WalksALimitedNumberOfHops) {
  std::string line = "198.51.100.7";
  for (int i = 0; i < 100; ++i) line += ", 10.1.1.1";
  EXPECT_EQ(client("10.0.0.1", {line}), "10.1.1.1");
  EXPECT_EQ(client("10.0.0.1", {std::string(100'000, ',')}), "10.0.0.1");
}

TEST(ClientAddress, OfMoreLinesThanItWalksItTakesTheLast) {
  http::FieldList fields;
  for (std::size_t i = 0; i < 3 * kForwardedHopsMax; ++i) {
    fields.add("X-Forwarded-For", "203.0.113.9");
    fields.add("X-Other", "1");
  }
  fields.add("x-forwarded-for", "198.51.100.7");
  EXPECT_EQ(to_string(resolve_client(*parse_ip("10.0.0.1"), fields, kTrusted)), "198.51.100.7");
  fields.add("X-Forwarded-For", "10.1.1.1");
  EXPECT_EQ(to_string(resolve_client(*parse_ip("10.0.0.1"), fields, kTrusted)), "198.51.100.7");
}

}  // namespace
}  // namespace canaryd::routing
