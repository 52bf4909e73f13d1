#include "canaryd/http/grpc.hpp"

#include "canaryd/http/chars.hpp"

namespace canaryd::http {
namespace {

constexpr std::string_view kType = "application/grpc";

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}

}  // namespace

bool is_grpc(std::string_view content_type) noexcept {
  if (!equals_ignore_case(content_type.substr(0, kType.size()), kType)) return false;
  if (content_type.size() == kType.size()) return true;
  const char next = content_type[kType.size()];
  return next == '+' || next == '-' || next == ';' || is_blank(next);
}

std::uint8_t read_grpc_status(std::string_view value) noexcept {
  GrpcStatusReader reader;
  reader.begin();
  reader.add(value);
  return *reader.status();
}

bool is_grpc_failure(const GrpcStatusSet& failures,
                     std::string_view content_type,
                     std::optional<std::uint8_t> status) noexcept {
  return status && failures.test(*status) && is_grpc(content_type);
}

void GrpcStatusReader::add(std::string_view piece) noexcept {
  for (const char c : piece) add(c);
}

void GrpcStatusReader::add(char c) noexcept {
  switch (stage_) {
    case Stage::kBefore:
    case Stage::kDigits:
      if (is_blank(c)) {
        if (stage_ == Stage::kDigits) stage_ = Stage::kBehind;
        return;
      }
      // More than the highest status stays more than it, however many digits follow.
      if (c >= '0' && c <= '9' && status_ <= kGrpcStatusMax) {
        status_ = static_cast<std::uint8_t>(status_ * 10 + (c - '0'));
        stage_ = Stage::kDigits;
        return;
      }
      stage_ = Stage::kBad;
      return;
    case Stage::kBehind:
      if (!is_blank(c)) stage_ = Stage::kBad;
      return;
    case Stage::kNone:
    case Stage::kBad:
      return;
  }
}

std::optional<std::uint8_t> GrpcStatusReader::status() const noexcept {
  if (stage_ == Stage::kNone) return std::nullopt;
  const bool known =
      (stage_ == Stage::kDigits || stage_ == Stage::kBehind) && status_ <= kGrpcStatusMax;
  return known ? status_ : kGrpcUnknown;
}

}  // namespace canaryd::http
