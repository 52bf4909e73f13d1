// What a gRPC response says of itself beside its HTTP status, which is 200 for failures too: the
// field `grpc-status`, in the head of a response without messages, or in the trailer section.
// Source: "gRPC over HTTP2" of the gRPC project, and its status codes, 0 (OK) to 16. gRPC-Web puts
// its trailers into the content, which the proxy does not read; it says so in the head only where
// there are no messages.
//
// Pure; plain values; untrusted input.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

namespace canaryd::http {

inline constexpr std::uint8_t kGrpcUnknown = 2;
inline constexpr std::uint8_t kGrpcStatusMax = 16;
// Index: status.
using GrpcStatusSet = std::bitset<kGrpcStatusMax + 1>;

// "application/grpc", with a suffix such as "+proto" or "-web+proto", and with parameters.
[[nodiscard]] bool is_grpc(std::string_view content_type) noexcept;

// As its clients read it: what is no status, or none that is known, is kGrpcUnknown.
[[nodiscard]] std::uint8_t read_grpc_status(std::string_view value) noexcept;

// Whether a response of that type with that status (nothing: it has none) is one of `failures`. A
// response without a status is judged by how it ended.
[[nodiscard]] bool is_grpc_failure(const GrpcStatusSet& failures,
                                   std::string_view content_type,
                                   std::optional<std::uint8_t> status) noexcept;

// Reads the value of a field that comes in pieces. Cleared with begin(); without a begin() there is
// no status.
class GrpcStatusReader {
 public:
  void clear() noexcept { stage_ = Stage::kNone; }
  void begin() noexcept {
    stage_ = Stage::kBefore;
    status_ = 0;
  }
  void add(std::string_view piece) noexcept;
  [[nodiscard]] std::optional<std::uint8_t> status() const noexcept;

 private:
  enum class Stage : std::uint8_t { kNone, kBefore, kDigits, kBehind, kBad };
  void add(char c) noexcept;

  Stage stage_ = Stage::kNone;
  std::uint8_t status_ = 0;
};

}  // namespace canaryd::http
