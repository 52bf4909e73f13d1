#include "canaryd/base/ip.hpp"

#include <gtest/gtest.h>

namespace canaryd {
namespace {

TEST(Ip, ReadsAndWritesLiterals) {
  for (const char* text : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "::", "fd00::1:2"}) {
    const auto ip = parse_ip(text);
    ASSERT_TRUE(ip.has_value()) << text;
    EXPECT_EQ(to_string(*ip), text);
  }
  using namespace std::string_view_literals;
  for (const auto text : {""sv,
                          "1.2.3"sv,
                          "1.2.3.4.5"sv,
                          "256.1.1.1"sv,
                          "localhost"sv,
                          "::g"sv,
                          "127.0.0.1\0x"sv,
                          "fe80::1%lo"sv,
                          " 1.2.3.4"sv}) {
    EXPECT_FALSE(parse_ip(text).has_value()) << text;
  }
}

TEST(Ip, ReadsSocketAddresses) {
  for (const char* text : {"127.0.0.1:8080", "[::1]:0", "0.0.0.0:65535"}) {
    const auto address = parse_socket_address(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(to_string(*address), text);
  }
  for (const char* text : {"",
                           ":80",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "::1:80",
                           "[127.0.0.1]:80",
                           "[::1]",
                           "127.0.0.1:8x",
                           "127.0.0.1:-1",
                           "[]:1"}) {
    EXPECT_FALSE(parse_socket_address(text).has_value()) << text;
  }
}

TEST(Ip, MatchesNetworks) {
  const auto ten = *parse_cidr("10.0.0.0/8");
  EXPECT_TRUE(ten.contains(*parse_ip("10.255.1.2")));
  EXPECT_FALSE(ten.contains(*parse_ip("11.0.0.1")));
  EXPECT_TRUE(ten.contains(*parse_ip("::ffff:10.0.0.1"))) << "a dual-stack socket's IPv4 peer";
  EXPECT_FALSE(ten.contains(*parse_ip("a00::1"))) << "same leading byte, other family";
  const auto odd = *parse_cidr("192.168.4.0/22");
  EXPECT_TRUE(odd.contains(*parse_ip("192.168.7.255")));
  EXPECT_FALSE(odd.contains(*parse_ip("192.168.8.0")));
  EXPECT_TRUE(parse_cidr("0.0.0.0/0")->contains(*parse_ip("8.8.8.8")));
  EXPECT_TRUE(parse_cidr("::1")->contains(*parse_ip("::1")));
  EXPECT_FALSE(parse_cidr("::1")->contains(*parse_ip("::2")));
  EXPECT_EQ(to_string(*parse_cidr("fd00::/8")), "fd00::/8");
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "x/8", "::/129"}) {
    EXPECT_FALSE(parse_cidr(text).has_value()) << text;
  }
}

TEST(Ip, KnowsLoopbackAndUnspecified) {
  EXPECT_TRUE(parse_ip("127.9.9.9")->is_loopback());
  EXPECT_TRUE(parse_ip("::1")->is_loopback());
  EXPECT_FALSE(parse_ip("128.0.0.1")->is_loopback());
  EXPECT_FALSE(parse_ip("0.0.0.1")->is_loopback());
  EXPECT_TRUE(parse_ip("::")->is_unspecified());
  EXPECT_TRUE(IpAddress().is_unspecified());
}

}  // namespace
}  // namespace canaryd
