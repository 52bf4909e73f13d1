#include "canaryd/proxy/counters.hpp"

namespace canaryd::proxy {
namespace {

struct Row {
  std::string_view word;
  std::uint16_t status;
};

constexpr std::array<Row, static_cast<std::size_t>(ProxyError::kCount)> kRows{{
    {"none", 200},
    {"bad_request", 400},
    {"no_route", 404},
    {"request_timeout", 408},
    {"body_too_large", 413},
    {"target_too_long", 414},
    {"expectation_failed", 417},
    {"rate_limited", 429},
    {"headers_too_large", 431},
    {"internal", 500},
    {"not_implemented", 501},
    {"version_not_supported", 505},
    {"connect_failed", 502},
    {"upstream_reset", 502},
    {"upstream_protocol", 502},
    {"no_healthy_endpoint", 503},
    {"overloaded", 503},
    {"timeout", 504},
    {"loop_detected", 508},
    {"shutting_down", 503},
    {"client_gone", 499},
}};

}  // namespace

std::string_view to_string(ProxyError error) noexcept {
  return kRows[static_cast<std::size_t>(error)].word;
}

std::uint16_t status_of(ProxyError error) noexcept {
  return kRows[static_cast<std::size_t>(error)].status;
}

}  // namespace canaryd::proxy
