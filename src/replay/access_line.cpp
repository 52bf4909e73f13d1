#include "canaryd/base/hash.hpp"
#include "canaryd/replay/line_reader.hpp"
#include "replay/parts.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

namespace canaryd::replay {
namespace {

namespace json = boost::json;

// A member's text; empty if it is not there. An error if it is something else.
Result<std::string_view> text_of(const json::object& line, std::string_view key) {
  const json::value* const value = line.if_contains(key);
  if (value == nullptr) return std::string_view();
  const json::string* const text = value->if_string();
  if (text == nullptr) return fail(ErrorCode::kMalformed, std::string(key) + " is not a text");
  return std::string_view(text->data(), text->size());
}

Result<double> number_of(const json::object& line,
                         std::string_view key,
                         double low,
                         double high,
                         std::optional<double> absent = std::nullopt) {
  const json::value* const value = line.if_contains(key);
  if (value == nullptr && absent) return *absent;
  if (value == nullptr) return fail(ErrorCode::kMalformed, std::string(key) + " is missing");
  double number = -1;
  if (value->is_double()) number = value->get_double();
  if (value->is_int64()) number = static_cast<double>(value->get_int64());
  if (!value->is_number() || !(number >= low && number <= high)) {
    return fail(ErrorCode::kMalformed, std::string(key) + " is not a number in range");
  }
  return number;
}

Result<std::uint64_t> key_hash_of(const json::object& line) {
  CANARYD_TRY_ASSIGN(const std::string_view text, text_of(line, "key_hash"));
  if (text.empty()) return 0;
  std::uint64_t hash = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::kMalformed, "key_hash " + quote(text) + " is not hexadecimal");
  }
  return hash;
}

// As the daemon charges it (proxy/record.cpp); nothing: it was nobody's fault.
std::optional<bool> is_bad(const analysis::ErrorClasses& classes,
                           std::string_view error,
                           unsigned upstream_status,
                           unsigned grpc_status) {
  if (error.empty()) {
    return classes.has_status(upstream_status) || classes.has_grpc_status(grpc_status);
  }
  if (error == "timeout") return classes.timeout;
  constexpr std::array<std::string_view, 4> kBroken = {
      "connect_failed", "upstream_reset", "upstream_protocol", "no_healthy_endpoint"};
  if (std::ranges::find(kBroken, error) != kBroken.end()) return classes.reset;
  return std::nullopt;
}

// Its cohort was drawn by lot.
Result<bool> is_drawn(const json::object& line) {
  CANARYD_TRY_ASSIGN(const std::string_view rule, text_of(line, "rule"));
  const json::value* const forced = line.if_contains("forced");
  const bool is_forced = forced != nullptr && forced->is_bool() && forced->get_bool();
  return rule == "weight" && !is_forced;
}

Result<Cohort> cohort_of(const json::object& line) {
  CANARYD_TRY_ASSIGN(const std::string_view text, text_of(line, "cohort"));
  if (text == to_string(Cohort::kStable)) return Cohort::kStable;
  if (text == to_string(Cohort::kCanary)) return Cohort::kCanary;
  return fail(ErrorCode::kMalformed, "cohort " + quote(text) + " is not stable or canary");
}

Result<json::value> parse(std::string_view line, const json::storage_ptr& storage) {
  json::error_code error;
  json::value value = json::parse({line.data(), line.size()}, error, storage);
  if (error) return fail(ErrorCode::kMalformed, "not JSON: " + error.message());
  if (!value.is_object()) return fail(ErrorCode::kMalformed, "not a JSON object");
  return value;
}

}  // namespace

Result<std::optional<RecordedRequest>> LineReader::read_access(std::string_view line) const {
  std::array<unsigned char, 8192> room;
  json::monotonic_resource memory(room.data(), room.size());
  CANARYD_TRY_ASSIGN(const json::value value, parse(line, &memory));
  const json::object& object = value.get_object();
  CANARYD_TRY_ASSIGN(const std::string_view rollout, text_of(object, "rollout"));
  if (rollout != rollout_) return std::nullopt;
  CANARYD_TRY_ASSIGN(const bool drawn, is_drawn(object));

  RecordedRequest request;
  CANARYD_TRY_ASSIGN(request.cohort, cohort_of(object));
  CANARYD_TRY_ASSIGN(const double ended,
                     number_of(object, "t_end", 0, static_cast<double>(kTimeMsMax) / 1000));
  CANARYD_TRY_ASSIGN(const double took, number_of(object, "t_total", 0, 86'400'000, 0));
  CANARYD_TRY_ASSIGN(const double weight, number_of(object, "weight", 0, 100));
  CANARYD_TRY_ASSIGN(const double status, number_of(object, "upstream_status", 0, 999, 0));
  // What no status is named for is 0, which is none of the failures.
  CANARYD_TRY_ASSIGN(const double grpc_status, number_of(object, "grpc_status", 0, UINT32_MAX, 0));
  CANARYD_TRY_ASSIGN(const std::string_view error, text_of(object, "error"));
  CANARYD_TRY_ASSIGN(const std::string_view revision, text_of(object, "revision"));
  CANARYD_TRY_ASSIGN(const std::string_view route, text_of(object, "route"));
  CANARYD_TRY_ASSIGN(request.client, key_hash_of(object));
  // Whole microseconds were written; what a double makes of them is rounded back first.
  request.ended_ms = std::llround(ended * 1e6) / 1000;
  const std::int64_t took_us = std::llround(took * 1e6);
  request.started_ms = request.ended_ms - took_us / 1000;
  // A tunnel is one line at its end; the handshake is the request.
  CANARYD_TRY_ASSIGN(const double told, number_of(object, "status", 0, 999, 0));
  CANARYD_TRY_ASSIGN(const double first_byte,
                     number_of(object, "t_upstream_first_byte", 0, 86'400'000, 0));
  const bool tunnel = static_cast<unsigned>(told) == kSwitchingProtocols;
  request.latency = std::chrono::microseconds(tunnel ? std::llround(first_byte * 1e6) : took_us);
  request.weight = BasisPoints(static_cast<unsigned>(std::lround(weight * 100)));
  if (!revision.empty()) request.revision = siphash(key_from_salt("revision"), revision);
  if (!route.empty()) set_route(request, route);
  // Whether something was still coming is not in the log; of a tunnel the handshake counts.
  const bool answered = error == "client_gone" && told > 0 && status > 0;
  request.left = answered && !tunnel;
  const auto bad = is_bad(errors_,
                          answered ? std::string_view() : error,
                          static_cast<unsigned>(status),
                          static_cast<unsigned>(grpc_status));
  if (!drawn || !bad) return std::nullopt;
  request.bad = *bad;
  request.client_error = !request.bad && status >= 400 && status < 500;
  return request;
}

}  // namespace canaryd::replay
