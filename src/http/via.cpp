#include "canaryd/http/forwarding.hpp"

#include <algorithm>
#include <string_view>

namespace canaryd::http {
namespace {

constexpr std::string_view kBlank = " \t";

// Of one member: "1.1 NAME (comment)", "HTTP/1.1 NAME:80".
std::string_view received_by(std::string_view member) noexcept {
  member.remove_prefix(std::min(member.find_first_not_of(kBlank), member.size()));
  member.remove_prefix(std::min(member.find_first_of(kBlank), member.size()));
  member.remove_prefix(std::min(member.find_first_not_of(kBlank), member.size()));
  return member.substr(0, member.find_first_of(" \t("));
}

std::size_t count_in(std::string_view value, std::string_view via) noexcept {
  std::size_t count = 0;
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    count += received_by(value.substr(0, comma)) == via ? 1U : 0U;
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return count;
}

}  // namespace

std::size_t count_passes(const RequestHead& head, std::string_view via) noexcept {
  std::size_t count = 0;
  head.fields.for_each(FieldId::kVia,
                       [&](const Field& field) { count += count_in(field.value, via); });
  return count;
}

}  // namespace canaryd::http
