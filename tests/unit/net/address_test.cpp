#include "canaryd/net/address.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace canaryd::net {
namespace {

std::string written(const char* literal) {
  std::array<char, kIpTextMax> text{};
  const std::size_t size = write_ip(*parse_ip(literal), text.data());
  return {text.data(), size};
}

TEST(AddressTest, WritesWhatBaseReads) {
  for (const char* literal : {"0.0.0.0",
                              "192.0.2.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "2001:db8::8a2e:370:7334",
                              "2001:db8:1111:2222:3333:4444:5555:6666"}) {
    EXPECT_EQ(written(literal), literal);
  }
}

TEST(AddressTest, WritesEveryOctetAtEveryPlace) {
  for (unsigned octet = 0; octet < 256; ++octet) {
    for (unsigned place = 0; place < 4; ++place) {
      std::string literal;
      for (unsigned i = 0; i < 4; ++i) {
        literal += (i == 0 ? "" : ".") + std::to_string(i == place ? octet : 7);
      }
      EXPECT_EQ(written(literal.c_str()), literal);
    }
  }
}

TEST(AddressTest, Loopback) {
  EXPECT_EQ(to_string(loopback_v4(80)), "127.0.0.1:80");
  EXPECT_EQ(to_string(loopback_v6(80)), "[::1]:80");
  EXPECT_TRUE(loopback_v6(1).ip.is_loopback());
}

}  // namespace
}  // namespace canaryd::net
