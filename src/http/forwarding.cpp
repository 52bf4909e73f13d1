#include "canaryd/http/forwarding.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/framing.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

namespace canaryd::http {
namespace {

// A set of field ids, as bits.
using IdSet = std::uint64_t;

constexpr IdSet bit(FieldId id) noexcept {
  return IdSet{1} << static_cast<unsigned>(id);
}
constexpr IdSet set_of(std::initializer_list<FieldId> ids) noexcept {
  IdSet set = 0;
  for (const FieldId id : ids) set |= bit(id);
  return set;
}

// RFC 9110 section 7.6.1, and the framing fields, which are written anew. Close is reserved for the
// connection option (RFC 9112 section 9.6): our own "Connection: close" would nominate it.
constexpr IdSet kHopByHop = set_of({FieldId::kClose,
                                    FieldId::kConnection,
                                    FieldId::kKeepAlive,
                                    FieldId::kProxyConnection,
                                    FieldId::kProxyAuthenticate,
                                    FieldId::kProxyAuthorization,
                                    FieldId::kTe,
                                    FieldId::kTrailer,
                                    FieldId::kUpgrade,
                                    FieldId::kHttp2Settings,
                                    FieldId::kContentLength,
                                    FieldId::kTransferEncoding});

constexpr IdSet kForwardedBy = set_of({FieldId::kXForwardedFor,
                                       FieldId::kXForwardedHost,
                                       FieldId::kXForwardedProto,
                                       FieldId::kForwarded});
// What a client must not be able to say in our name.
constexpr IdSet kOurs = set_of({FieldId::kXCanarydCohort, FieldId::kXCanarydRollout});

// The one switch of protocols that is asked for and agreed to.
constexpr char kSwitch[] = "Connection: upgrade\r\nUpgrade: websocket\r\n";

constexpr std::size_t kRequestIdBytesMax = 128;
constexpr std::string_view kRequestIdMarks = "-_.~+/=:@";

// Servers that turn fields into variables (CGI, WSGI, PHP) read X_Forwarded_For as X-Forwarded-For.
// So the underscored twin of a field that clients must not set is no way around us.
bool is_underscored_twin(const Field& field) noexcept {
  constexpr IdSet kGuarded =
      kOurs | kForwardedBy |
      set_of({FieldId::kHost, FieldId::kContentLength, FieldId::kTransferEncoding});
  if (field.id != FieldId::kOther || field.name.find('_') == std::string_view::npos) return false;
  // No guarded name is longer, and the family shows by how it begins.
  std::array<char, 20> name{};
  const std::string_view begin = field.name.substr(0, name.size());
  std::replace_copy(begin.begin(), begin.end(), name.begin(), '_', '-');
  const std::string_view twin(name.data(), begin.size());
  if (is_x_forwarded(twin)) return true;
  return begin.size() == field.name.size() && (kGuarded & bit(field_id(twin))) != 0;
}

// What is put around the texts of a head, names and separators, is never more.
constexpr std::size_t kRequestFrame = 352;
constexpr std::size_t kResponseFrame = 224;

// Of a field that lies nowhere as a line. By value, so that the writer's place stays in a register
// of whoever calls this.
HeadWriter copy_parts(HeadWriter out, const Field& field) noexcept {
  for (const std::string_view part : {field.name, std::string_view(": "), field.value}) {
    out.copy(part);
  }
  out.copy("\r\n");
  return out;
}

bool is_one_of(const std::vector<std::string>* names, std::string_view name) noexcept {
  return names != nullptr &&
         std::any_of(names->begin(), names->end(), [name](const std::string& each) {
           return equals_ignore_case(each, name);
         });
}

// What of a list is not copied.
struct Dropping {
  IdSet ids;
  // Whoever is not believed about one X-Forwarded field is believed about none: also about those
  // that have no id.
  bool family = false;
  bool nominated = false;                          // Connection names a field without an id.
  const std::vector<std::string>* kept = nullptr;  // But these, even if they are nominated.
};

// Fields that have no id of their own.
[[gnu::always_inline]] inline bool is_dropped_by_name(const FieldList& fields,
                                                      const Field& field,
                                                      const Dropping& dropping,
                                                      const NominatedNames* nominated) noexcept {
  if (dropping.family && is_x_forwarded(field.name)) return true;
  if (fields.may_have_odd_names() && is_underscored_twin(field)) return true;
  return nominated != nullptr && nominated->contain(field) && !is_one_of(dropping.kept, field.name);
}

// Lines that lie next to each other in the input go in one piece.
[[gnu::always_inline]] inline void copy_fields_but(HeadWriter& out,
                                                   const FieldList& fields,
                                                   const Dropping& dropping,
                                                   const NominatedNames* nominated) noexcept {
  const bool names_matter = dropping.family || dropping.nominated || fields.may_have_odd_names();
  // Of these each one is looked at.
  const IdSet suspect = dropping.ids | (names_matter ? bit(FieldId::kOther) : 0);
  const char* run = nullptr;
  const char* run_end = nullptr;
  for (const Field& field : fields) {
    if ((suspect & bit(field.id)) != 0 &&
        (field.id != FieldId::kOther || is_dropped_by_name(fields, field, dropping, nominated))) {
      continue;
    }
    if (field.name.data() != run_end || field.line_size == 0) {
      out.copy({run, static_cast<std::size_t>(run_end - run)});
      run = field.name.data();
      if (field.line_size == 0) out = copy_parts(out, field);
    }
    run_end = field.name.data() + field.line_size;
  }
  out.copy({run, static_cast<std::size_t>(run_end - run)});
}

// The names are looked for once, and not with each field.
[[gnu::noinline]] HeadWriter copy_fields_but_nominated(HeadWriter out,
                                                       const FieldList& fields,
                                                       const Dropping& dropping) noexcept {
  const NominatedNames nominated(fields);
  copy_fields_but(out, fields, dropping, &nominated);
  return out;
}

[[gnu::always_inline]] inline void copy_fields(HeadWriter& out,
                                               const FieldList& fields,
                                               const Dropping& dropping) noexcept {
  if (dropping.nominated) [[unlikely]] {
    out = copy_fields_but_nominated(out, fields, dropping);
  } else {
    copy_fields_but(out, fields, dropping, nullptr);
  }
}

[[gnu::always_inline]] inline void write_framing(HeadWriter& out,
                                                 const BodyFraming& framing) noexcept {
  if (framing.kind == BodyKind::kChunked) out.put("Transfer-Encoding: chunked\r\n");
  if (framing.kind == BodyKind::kLength) {
    out.put("Content-Length: ");
    out.put_decimal(framing.length);
    out.put("\r\n");
  }
}

[[gnu::always_inline]] inline void write_via(HeadWriter& out, std::uint8_t version_minor) noexcept {
  if (version_minor == 0) {
    out.put("Via: 1.0 canaryd\r\n");
  } else {
    out.put("Via: 1.1 canaryd\r\n");
  }
}

[[gnu::always_inline]] inline void write_cohort(HeadWriter& out, Cohort cohort) noexcept {
  switch (cohort) {
    case Cohort::kStable:
      return out.put("X-Canaryd-Cohort: stable\r\n");
    case Cohort::kCanary:
      return out.put("X-Canaryd-Cohort: canary\r\n");
    case Cohort::kShadow:
      return out.put("X-Canaryd-Cohort: shadow\r\n");
    case Cohort::kNone:
      return;
  }
}

// Does TE say that the client takes trailers? The one member of it that may be passed on.
bool wants_trailers(const FieldList& fields) noexcept {
  bool wants = false;
  fields.for_each(FieldId::kTe, [&wants](const Field& field) {
    std::string_view list = field.value;
    for (auto member = next_list_member(list); !member.empty(); member = next_list_member(list)) {
      wants = wants || equals_ignore_case(member, "trailers");
    }
  });
  return wants;
}

bool is_sane_request_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= kRequestIdBytesMax &&
         std::all_of(id.begin(), id.end(), [](char c) {
           const char small = lower(c);
           return is_digit(c) || (small >= 'a' && small <= 'z') ||
                  kRequestIdMarks.find(c) != std::string_view::npos;
         });
}

bool keeps_request_id(const FieldList& fields) noexcept {
  return fields.count(FieldId::kXRequestId) == 1 &&
         is_sane_request_id(fields.value(FieldId::kXRequestId));
}

// Which fields of the request do not go on as they are.
IdSet dropped_from_request(const RequestHead& head,
                           const RequestForwarding& forwarding,
                           bool keeps_id) noexcept {
  IdSet dropped = kHopByHop | kOurs | bit(FieldId::kXForwardedFor);
  if (!forwarding.peer_trusted) dropped |= kForwardedBy;
  // Host stays where it is if it is what we would write.
  const bool same_host = forwarding.authority.data() == head.host.data() &&
                         forwarding.authority.size() == head.host.size();
  if (!same_host) dropped |= bit(FieldId::kHost);
  if (!head.expect_continue) dropped |= bit(FieldId::kExpect);
  if (!keeps_id) dropped |= bit(FieldId::kXRequestId);
  if (!forwarding.traceparent.empty()) {
    dropped |= bit(FieldId::kTraceparent) | bit(FieldId::kTracestate);
  }
  if (head.method == Method::kOptions) dropped |= bit(FieldId::kMaxForwards);
  if (upload_output(head) == BodyOutput::kAsIs && head.framing.kind == BodyKind::kChunked) {
    dropped &= ~bit(FieldId::kTrailer);
  }
  return dropped;
}

[[gnu::always_inline]] inline void write_forwarded_for(
    HeadWriter& out, const FieldList& fields, const RequestForwarding& forwarding) noexcept {
  const bool append = forwarding.peer_trusted && fields.has(FieldId::kXForwardedFor);
  if (!append && forwarding.client_ip.empty()) return;
  out.put("X-Forwarded-For: ");
  bool first = true;
  if (append) {
    for (const Field& field : fields) {
      if (field.id != FieldId::kXForwardedFor || field.value.empty()) continue;
      if (!first) out.copy(", ");
      out.copy(field.value);
      first = false;
    }
  }
  if (!forwarding.client_ip.empty()) {
    if (!first) out.put(", ");
    out.put(forwarding.client_ip);
  }
  out.put("\r\n");
}

// What a trusted peer says stays; its lines have been copied already.
[[gnu::always_inline]] inline void write_forwarded(HeadWriter& out,
                                                   const FieldList& fields,
                                                   const RequestForwarding& forwarding) noexcept {
  write_forwarded_for(out, fields, forwarding);
  const bool trusted = forwarding.peer_trusted;
  if (!(trusted && fields.has(FieldId::kXForwardedProto))) {
    if (forwarding.secure) {
      out.put("X-Forwarded-Proto: https\r\n");
    } else {
      out.put("X-Forwarded-Proto: http\r\n");
    }
  }
  if (!(trusted && fields.has(FieldId::kXForwardedHost)) && !forwarding.authority.empty()) {
    out.put_field("X-Forwarded-Host: ", forwarding.authority);
  }
}

[[gnu::always_inline]] inline void write_max_forwards(HeadWriter& out,
                                                      const RequestHead& head) noexcept {
  std::uint64_t hops = 0;
  if (head.method != Method::kOptions || head.fields.count(FieldId::kMaxForwards) != 1) return;
  if (!parse_decimal(head.fields.value(FieldId::kMaxForwards), hops) || hops == 0) return;
  out.put("Max-Forwards: ");
  out.put_decimal(hops - 1);
  out.put("\r\n");
}

// Both are for one hop, so they have to be named (RFC 9110 sections 7.8 and 10.1.4).
[[gnu::always_inline]] inline void write_hop_fields(HeadWriter& out,
                                                    const RequestHead& head,
                                                    const RequestForwarding& forwarding) noexcept {
  if (forwarding.websocket) {
    out.put(kSwitch);
  } else if (wants_trailers(head.fields)) {
    out.put("TE: trailers\r\nConnection: TE\r\n");
  }
}

[[gnu::always_inline]] inline void write_status_line(HeadWriter& out,
                                                     const ResponseHead& head) noexcept {
  out.put("HTTP/1.1 ");
  out.put_triple(head.status);
  out.put(' ');
  out.copy(head.reason);
  out.put("\r\n");
}

// Of what put() is given for a request, at most.
std::size_t known_bytes(const RequestHead& head, const RequestForwarding& forwarding) noexcept {
  return kRequestFrame + head.method_text.size() + forwarding.target.size() +
         2 * forwarding.authority.size() + forwarding.client_ip.size() +
         forwarding.request_id.size() + forwarding.traceparent.size() + forwarding.rollout.size();
}

}  // namespace

void write_request_head(HeadBuffer& buffer,
                        const RequestHead& head,
                        const RequestForwarding& forwarding) noexcept {
  HeadWriter out(buffer, known_bytes(head, forwarding));
  if (!out.fits()) return out.finish();
  const bool keeps_id = keeps_request_id(head.fields);
  const IdSet dropped = dropped_from_request(head, forwarding, keeps_id);
  if (head.method == Method::kGet) {
    out.put("GET ");
  } else {
    out.put(head.method_text);
    out.put(' ');
  }
  out.put(forwarding.target);
  out.put(" HTTP/1.1\r\n");
  if ((dropped & bit(FieldId::kHost)) != 0 || !head.fields.has(FieldId::kHost)) {
    out.put_field("Host: ", forwarding.authority);
  }
  copy_fields(
      out, head.fields, {dropped, !forwarding.peer_trusted, head.nominates, forwarding.read});

  write_framing(out, head.framing);
  write_forwarded(out, head.fields, forwarding);
  write_via(out, head.version_minor);
  if (!keeps_id && !forwarding.request_id.empty()) {
    out.put_field("X-Request-Id: ", forwarding.request_id);
  }
  if (!forwarding.traceparent.empty()) {
    out.put_field("traceparent: ", forwarding.traceparent);
  }
  write_cohort(out, forwarding.cohort);
  if (!forwarding.rollout.empty()) out.put_field("X-Canaryd-Rollout: ", forwarding.rollout);
  write_max_forwards(out, head);
  write_hop_fields(out, head, forwarding);
  out.put("\r\n");
  out.finish();
}

BodyOutput upload_output(const RequestHead& head) noexcept {
  return head.nominates ? BodyOutput::kNoTrailers : BodyOutput::kAsIs;
}

std::string_view request_id(const RequestHead& head, std::string_view fresh) noexcept {
  return keeps_request_id(head.fields) ? head.fields.value(FieldId::kXRequestId) : fresh;
}

bool ends_here(const RequestHead& head) noexcept {
  std::uint64_t hops = 1;
  return head.method == Method::kOptions && head.fields.count(FieldId::kMaxForwards) == 1 &&
         parse_decimal(head.fields.value(FieldId::kMaxForwards), hops) && hops == 0;
}

ResponsePlan plan_response(const ResponseHead& head,
                           std::uint8_t client_version_minor,
                           bool client_keep_alive) noexcept {
  const BodyKind kind = head.framing.kind;
  const bool chunks_known = client_version_minor >= 1;
  if (!chunks_known && (kind == BodyKind::kChunked || kind == BodyKind::kUntilClose)) {
    return {{BodyKind::kUntilClose, 0}, BodyOutput::kData, false};
  }
  if (kind == BodyKind::kUntilClose) {
    return {{BodyKind::kChunked, 0}, BodyOutput::kChunked, client_keep_alive};
  }
  const BodyOutput output =
      kind == BodyKind::kChunked && head.nominates ? BodyOutput::kNoTrailers : BodyOutput::kAsIs;
  return {head.framing, output, client_keep_alive};
}

void write_response_head(HeadBuffer& buffer,
                         const ResponseHead& head,
                         const ResponseForwarding& forwarding) noexcept {
  HeadWriter out(buffer, kResponseFrame + forwarding.date.size());
  if (!out.fits()) return out.finish();
  const ResponsePlan& plan = forwarding.plan;
  const bool passes_trailers =
      plan.framing.kind == BodyKind::kChunked && plan.output == BodyOutput::kAsIs;
  IdSet dropped = kHopByHop | kOurs;
  if (passes_trailers) dropped &= ~bit(FieldId::kTrailer);
  write_status_line(out, head);
  copy_fields(out, head.fields, {.ids = dropped, .nominated = head.nominates});

  BodyFraming framing = plan.framing;
  const bool describes_body =
      head.status == 304 || (forwarding.request_method == Method::kHead && head.status != 204);
  if (framing.kind == BodyKind::kNone && describes_body && head.content_length) {
    framing = {BodyKind::kLength, *head.content_length};
  }
  write_framing(out, framing);
  write_via(out, head.version_minor);
  if (!head.fields.has(FieldId::kDate) && !forwarding.date.empty()) {
    out.put_field("Date: ", forwarding.date);
  }
  write_cohort(out, forwarding.cohort);
  const bool keep_alive = plan.keep_alive && plan.framing.kind != BodyKind::kUntilClose;
  if (forwarding.websocket) {
    out.put(kSwitch);
  } else if (!keep_alive) {
    out.put("Connection: close\r\n");
  } else if (forwarding.client_version_minor == 0) {
    out.put("Connection: keep-alive\r\n");
  }
  const bool issues = forwarding.cookie != nullptr && may_issue_cookie(head, forwarding.date);
  if (!issues) out.put("\r\n");
  out.finish();
  if (!issues) return;
  write_set_cookie(buffer, *forwarding.cookie);
  buffer.append("\r\n");
}

void write_interim_head(HeadBuffer& buffer, const ResponseHead& head) noexcept {
  HeadWriter out(buffer, kResponseFrame);
  if (!out.fits()) return out.finish();
  write_status_line(out, head);
  copy_fields(out, head.fields, {.ids = kHopByHop | kOurs, .nominated = head.nominates});
  write_via(out, head.version_minor);
  out.put("\r\n");
  out.finish();
}

}  // namespace canaryd::http
