#include "canaryd/http/framing.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/http/uri.hpp"
#include "canaryd/http/websocket.hpp"

#include <algorithm>

namespace canaryd::http {
namespace {

constexpr Refused kAccepted{};

Refused bad(const char* detail) noexcept {
  return {Refusal::kBadRequest, detail};
}
Refused broken(const char* detail) noexcept {
  return {Refusal::kUpstreamProtocol, detail};
}

struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool nominates = false;
};

// False: not a list of tokens, or too many of them.
bool read_connection(const FieldList& fields, ConnectionOptions& options) noexcept {
  unsigned count = 0;
  bool sound = true;
  fields.for_each(FieldId::kConnection, [&](const Field& field) {
    std::string_view list = field.value;
    // Nearly always it is one of these two alone.
    const FieldId alone = field_id(list);
    if (alone == FieldId::kKeepAlive || alone == FieldId::kClose) {
      (alone == FieldId::kClose ? options.close : options.keep_alive) = true;
      return;
    }
    for (auto member = next_list_member(list); !member.empty(); member = next_list_member(list)) {
      if (++count > kConnectionOptionsMax || !is_token(member)) {
        sound = false;
        return;
      }
      const FieldId id = field_id(member);
      options.close |= id == FieldId::kClose;
      options.keep_alive |= id == FieldId::kKeepAlive;
      options.upgrade |= id == FieldId::kUpgrade;
      options.nominates |= id == FieldId::kOther;
    }
  });
  return sound;
}

bool persists(std::uint8_t version_minor, const ConnectionOptions& options) noexcept {
  return !options.close && (version_minor >= 1 || options.keep_alive);
}

// RFC 9112 section 6.1 wants 501 for a coding that is not understood, if the body is chunked last.
// Everything else that is not exactly "chunked" is somebody's trick.
bool is_unknown_coding_chain(std::string_view list) noexcept {
  bool chunked = false;
  unsigned count = 0;
  for (auto member = next_list_member(list); !member.empty(); member = next_list_member(list)) {
    if (chunked || !is_token(trim(member.substr(0, member.find(';'))))) return false;
    chunked = equals_ignore_case(member, "chunked");
    ++count;
  }
  return chunked && count > 1;
}

// The part that both directions share. `length_given` and the framing are set from Content-Length
// and Transfer-Encoding; kNone if there is neither.
struct Declared {
  BodyFraming framing;
  bool length_given = false;
  Refused refused;
};

// There is one of the two fields.
Declared read_declared(const FieldList& fields, std::uint8_t version_minor) noexcept {
  Declared declared;
  const bool coded = fields.has(FieldId::kTransferEncoding);
  declared.length_given = fields.has(FieldId::kContentLength);
  if (coded && declared.length_given) {
    declared.refused = bad("Content-Length beside Transfer-Encoding");
    return declared;
  }
  if (coded) {
    const std::string_view coding = fields.value(FieldId::kTransferEncoding);
    if (version_minor == 0) {
      declared.refused = bad("Transfer-Encoding in HTTP/1.0");
    } else if (fields.count(FieldId::kTransferEncoding) != 1) {
      declared.refused = bad("several Transfer-Encoding fields");
    } else if (!equals_ignore_case(coding, "chunked")) {
      declared.refused =
          is_unknown_coding_chain(coding)
              ? Refused{Refusal::kNotImplemented, "transfer coding other than chunked"}
              : bad("Transfer-Encoding is not chunked");
    }
    declared.framing.kind = BodyKind::kChunked;
    return declared;
  }
  declared.framing.kind = BodyKind::kLength;
  if (fields.count(FieldId::kContentLength) != 1) {
    declared.refused = bad("several Content-Length fields");
  } else if (!parse_decimal(fields.value(FieldId::kContentLength), declared.framing.length)) {
    declared.refused = bad("Content-Length is not a number");
  }
  return declared;
}

// Most requests have no body: then this is one comparison.
[[gnu::always_inline]] inline Declared read_framing_fields(const FieldList& fields,
                                                           std::uint8_t version_minor) noexcept {
  if (!fields.has(FieldId::kTransferEncoding) && !fields.has(FieldId::kContentLength)) return {};
  return read_declared(fields, version_minor);
}

Refused check_method(Method method) noexcept {
  if (method == Method::kConnect) return {Refusal::kNotImplemented, "CONNECT"};
  // It would show a client the fields that proxies add, other users' credentials among them.
  if (method == Method::kTrace) return {Refusal::kNotImplemented, "TRACE"};
  return kAccepted;
}

Refused check_host(RequestHead& head) noexcept {
  const std::size_t count = head.fields.count(FieldId::kHost);
  if (count > 1) return bad("several Host fields");
  if (count == 0) return head.version_minor >= 1 ? bad("no Host field") : kAccepted;
  head.host = head.fields.value(FieldId::kHost);
  if (!head.known_host.is(head.host)) {
    Authority authority;
    if (!parse_authority(head.host, authority)) return bad("Host is not a host");
    const auto name_size = static_cast<std::uint32_t>(authority.host.size());
    head.known_host.set(head.host, name_size, authority.lower_case);
  }
  head.host_name_size = head.known_host.name_size();
  head.host_lower_case = head.known_host.lower_case();
  return kAccepted;
}

Refused check_expect(RequestHead& head) noexcept {
  bool known = true;
  head.fields.for_each(FieldId::kExpect, [&known](const Field& field) {
    known = known && equals_ignore_case(field.value, "100-continue");
  });
  if (!known) return {Refusal::kExpectationFailed, "unknown expectation"};
  // RFC 9110 section 10.1.1: to be ignored from HTTP/1.0, and of no use without a body.
  head.expect_continue =
      head.fields.has(FieldId::kExpect) && head.version_minor >= 1 && !head.framing.empty();
  return kAccepted;
}

// Of the family, of which more may come than have an id.
bool is_x_canaryd(std::string_view name) noexcept {
  constexpr std::string_view kFamily = "x-canaryd-";
  return equals_ignore_case(name.substr(0, kFamily.size()), kFamily);
}

}  // namespace

Refused frame_request(RequestHead& head) noexcept {
  if (const auto refused = check_method(head.method)) return refused;
  if (const auto refused = check_host(head)) return refused;
  const Declared declared = read_framing_fields(head.fields, head.version_minor);
  if (declared.refused) return declared.refused;
  head.framing = declared.framing;
  if (const auto refused = check_expect(head)) return refused;

  ConnectionOptions options;
  if (!read_connection(head.fields, options))
    return bad("Connection is not a short list of tokens");
  head.keep_alive = persists(head.version_minor, options);
  head.nominates = options.nominates;
  // RFC 9110 section 7.8: to be ignored from HTTP/1.0.
  head.upgrade = options.upgrade && head.version_minor >= 1 && head.fields.has(FieldId::kUpgrade);
  return kAccepted;
}

Refused frame_response(ResponseHead& head, Method request_method) noexcept {
  const Declared declared = read_framing_fields(head.fields, head.version_minor);
  if (declared.refused) return broken(declared.refused.detail);
  ConnectionOptions options;
  if (!read_connection(head.fields, options)) {
    return broken("Connection is not a short list of tokens");
  }
  head.keep_alive = persists(head.version_minor, options);
  head.nominates = options.nominates;
  head.upgrade = options.upgrade && head.version_minor >= 1 && head.fields.has(FieldId::kUpgrade);
  // Nothing else is ever asked for.
  if (head.status == 101 && !accepts_websocket(head)) return broken("switching to no WebSocket");
  if (declared.length_given) head.content_length = declared.framing.length;

  if (head.interim() || head.status == 204) {
    // RFC 9112 section 6.3 says there is no body; a sender that announces one will send one, and it
    // would be read as the next response.
    if (!declared.framing.empty()) return broken("body announced with a status that has none");
    return kAccepted;
  }
  if (request_method == Method::kHead || head.status == 304) return kAccepted;
  if (declared.framing.kind == BodyKind::kNone) {
    head.framing.kind = BodyKind::kUntilClose;
    head.keep_alive = false;
    return kAccepted;
  }
  head.framing = declared.framing;
  return kAccepted;
}

NominatedNames::NominatedNames(const FieldList& fields) noexcept {
  fields.for_each(FieldId::kConnection, [&](const Field& connection) {
    std::string_view list = connection.value;
    for (auto member = next_list_member(list); !member.empty(); member = next_list_member(list)) {
      if (count_ < names_.size()) names_[count_++] = member;
    }
  });
}

bool NominatedNames::contain(const Field& field) const noexcept {
  if (field.id != FieldId::kOther || is_x_forwarded(field.name)) return false;
  if (is_x_canaryd(field.name)) return false;
  const auto end = names_.begin() + static_cast<std::ptrdiff_t>(count_);
  return std::any_of(names_.begin(), end, [&field](std::string_view name) {
    return equals_ignore_case(name, field.name);
  });
}

bool is_nominated(const FieldList& fields, const Field& field) noexcept {
  return NominatedNames(fields).contain(field);
}

}  // namespace canaryd::http
