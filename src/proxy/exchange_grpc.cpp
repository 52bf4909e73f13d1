// The status of a gRPC response, where HTTP/1.1 has it: in the head, or behind a body in chunks.
#include "canaryd/http/grpc.hpp"
#include "proxy/exchange.hpp"

#include <charconv>

namespace canaryd::proxy {
namespace {

// For the access log: as the upstream has written it.
std::optional<std::uint32_t> number(std::string_view text) noexcept {
  std::uint32_t status = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), status);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return status;
}

}  // namespace

void Exchange::read_grpc_head() noexcept {
  const std::string_view type = response_.fields.value(http::FieldId::kContentType);
  if (!response_.fields.has(http::FieldId::kGrpcStatus)) {
    grpc_trailers_ = http::is_grpc(type);
    return;
  }
  const std::string_view text = response_.fields.value(http::FieldId::kGrpcStatus);
  grpc_status_ = number(text);
  const FailurePolicy* const policy = failure_policy();
  grpc_failed_ =
      policy != nullptr && http::is_grpc_failure(policy->grpc, type, http::read_grpc_status(text));
}

// The head is gone; its type was looked at.
void Exchange::read_grpc_trailers() noexcept {
  const auto status = download_.grpc_status();
  if (!status) return;
  grpc_status_ = *status;
  const FailurePolicy* const policy = failure_policy();
  grpc_failed_ = policy != nullptr && policy->grpc.test(*status);
}

}  // namespace canaryd::proxy
