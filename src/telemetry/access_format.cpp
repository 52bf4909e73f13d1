#include "telemetry/access_format.hpp"

#include "canaryd/telemetry/access_log.hpp"
#include "telemetry/line_writer.hpp"

namespace canaryd::telemetry {
namespace {

// What a text may take of a line. Names of the file have 63 bytes at most.
constexpr std::size_t kName = 64;
constexpr std::size_t kId = 128;
constexpr std::size_t kTraceId = 32;
constexpr std::size_t kClient = 48;
constexpr std::size_t kMethod = 32;
constexpr std::size_t kScheme = 8;
constexpr std::size_t kProtocol = 16;
constexpr std::size_t kHost = 256;
constexpr std::size_t kPath = 1024;
constexpr std::size_t kQuery = 372;
constexpr std::size_t kWord = 24;
constexpr std::size_t kEndpoint = 112;
constexpr std::size_t kRevision = 96;
constexpr std::size_t kAgent = 320;
constexpr std::size_t kReferer = 512;
// Keys, quotes and numbers of a line with all fields; the test of the longest line looks after it.
constexpr std::size_t kRest = 1300;
static_assert(kRest + 4 * kName + kId + kTraceId + kClient + kMethod + kScheme + kProtocol + kHost +
                  kPath + kQuery + 4 * kWord + kEndpoint + kRevision + kAgent <=
              AccessLog::kLineBytesMax);
static_assert(kRest + 2 * kName + kClient + kMethod + kProtocol + kPath + kQuery + kAgent +
                  kReferer <=
              AccessLog::kLineBytesMax);

// `,"key":"text"`, or nothing. The key comes with its punctuation.
template <std::size_t N>
void text(LineWriter& out, const char (&key)[N], std::string_view value, std::size_t max) noexcept {
  if (value.empty()) return;
  out.literal(key);
  out.json(value, max);
  out.character('"');
}
// For what we wrote ourselves: names of the file, words, IP addresses.
template <std::size_t N>
void word(LineWriter& out, const char (&key)[N], std::string_view value, std::size_t max) noexcept {
  if (value.empty()) return;
  out.literal(key);
  out.plain(value, max);
  out.character('"');
}
template <std::size_t N>
void count(LineWriter& out, const char (&key)[N], std::uint64_t value) noexcept {
  out.literal(key);
  out.number(value);
}
template <std::size_t N>
void seconds(LineWriter& out, const char (&key)[N], std::optional<Duration> value) noexcept {
  if (!value) return;
  out.literal(key);
  out.seconds(*value);
}

// Percent with at most two decimals: 5, 0.5, 12.25.
void percent(LineWriter& out, BasisPoints weight) noexcept {
  const unsigned value = weight.value();
  out.number(value / 100);
  const unsigned rest = value % 100;
  if (rest == 0) return;
  out.character('.');
  if (rest % 10 == 0) {
    out.number(rest / 10);
  } else {
    out.digits(rest, 2);
  }
}

void decision(LineWriter& out, const AccessRecord& record) noexcept {
  word(out, ",\"route\":\"", record.route, kName);
  if (record.rollout.empty()) return;
  word(out, ",\"rollout\":\"", record.rollout, kName);
  if (record.step > 0) count(out, ",\"step\":", record.step);
  word(out, ",\"cohort\":\"", to_string(record.cohort), kWord);
  word(out, ",\"rule\":\"", record.rule, kWord);
  word(out, ",\"key_source\":\"", record.key_source, kWord);
  if (record.forced) out.literal(",\"forced\":true");
}

}  // namespace

char* write_json_line(char* to, const AccessRecord& record, const LineTimes& times) noexcept {
  LineWriter out(to);
  out.literal("{\"ts\":\"");
  out.plain(times.started, 24);
  out.character('"');
  text(out, ",\"id\":\"", record.id, kId);
  word(out, ",\"trace_id\":\"", record.trace_id, kTraceId);
  word(out, ",\"client\":\"", record.client, kClient);
  word(out, ",\"listener\":\"", record.listener, kName);
  text(out, ",\"method\":\"", record.method, kMethod);
  word(out, ",\"scheme\":\"", record.scheme, kScheme);
  text(out, ",\"host\":\"", record.host, kHost);
  text(out, ",\"path\":\"", record.path, kPath);
  if (!record.query.empty()) {
    out.literal(",\"query_masked\":\"");
    out.masked_query(record.query, kQuery, &LineWriter::json);
    out.character('"');
  }
  word(out, ",\"protocol\":\"", record.protocol, kProtocol);
  decision(out, record);
  word(out, ",\"upstream\":\"", record.upstream, kName);
  text(out, ",\"endpoint\":\"", record.endpoint, kEndpoint);
  if (record.status != 0) count(out, ",\"status\":", record.status);
  if (record.upstream_status != 0) count(out, ",\"upstream_status\":", record.upstream_status);
  if (record.grpc_status) count(out, ",\"grpc_status\":", *record.grpc_status);
  word(out, ",\"error\":\"", record.error, kWord);
  if (record.retries > 0) count(out, ",\"retries\":", record.retries);
  word(out, ",\"fallback\":\"", record.fallback, kWord);
  count(out, ",\"bytes_in\":", record.bytes_in);
  count(out, ",\"bytes_out\":", record.bytes_out);
  if (!record.rollout.empty()) {
    if (record.key_hash != 0) {
      out.literal(",\"key_hash\":\"");
      out.hex(record.key_hash);
      out.character('"');
    }
    out.literal(",\"weight\":");
    percent(out, record.weight);
    text(out, ",\"revision\":\"", record.revision, kRevision);
  }
  out.literal(",\"t_end\":");
  out.seconds(times.ended_at_us);
  seconds(out, ",\"t_total\":", record.ended_at - record.started_at);
  seconds(out, ",\"t_upstream_connect\":", record.upstream_connect);
  seconds(out, ",\"t_upstream_first_byte\":", record.upstream_first_byte);
  text(out, ",\"user_agent\":\"", record.user_agent, kAgent);
  out.literal("}\n");
  return out.end();
}

// %h - - [%t] "%r" %>s %b "%{Referer}i" "%{User-agent}i" %D cohort upstream
char* write_combined_line(char* to, const AccessRecord& record, const LineTimes& times) noexcept {
  LineWriter out(to);
  const auto or_dash = [&out](std::string_view value, std::size_t max) {
    out.quoted(value.empty() ? std::string_view("-") : value, max);
  };
  or_dash(record.client, kClient);
  out.literal(" - - [");
  out.plain(times.started, 26);
  out.literal("] \"");
  or_dash(record.method, kMethod);
  out.character(' ');
  or_dash(record.path, kPath);
  if (!record.query.empty()) {
    out.character('?');
    out.masked_query(record.query, kQuery, &LineWriter::quoted);
  }
  out.character(' ');
  or_dash(record.protocol, kProtocol);
  out.literal("\" ");
  out.number(record.status != 0 ? record.status : 499);
  out.character(' ');
  if (record.bytes_out > 0) {
    out.number(record.bytes_out);
  } else {
    out.character('-');
  }
  out.literal(" \"");
  // Up to its query, which may say as much as one of ours.
  or_dash(record.referer.substr(0, record.referer.find('?')), kReferer);
  out.literal("\" \"");
  or_dash(record.user_agent, kAgent);
  out.literal("\" ");
  const Duration total = record.ended_at - record.started_at;
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(total).count();
  out.number(static_cast<std::uint64_t>(micros < 0 ? 0 : micros));
  out.character(' ');
  or_dash(record.rollout.empty() ? std::string_view() : to_string(record.cohort), kWord);
  out.character(' ');
  or_dash(record.upstream, kName);
  out.character('\n');
  return out.end();
}

}  // namespace canaryd::telemetry
