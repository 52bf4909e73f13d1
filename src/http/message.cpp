#include "canaryd/http/message.hpp"

#include "canaryd/http/chars.hpp"
#include "http/field_names.hpp"

#include <algorithm>
#include <cstring>

namespace canaryd::http {
namespace {

void rebase_view(std::string_view& view, const char* from, const char* to) noexcept {
  if (view.data() != nullptr) view = std::string_view(to + (view.data() - from), view.size());
}

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  return name.empty() ? FieldId::kOther : detail::recognise(name, name.data() + name.size());
}

std::string_view field_name(FieldId id) noexcept {
  for (const detail::KnownName& known : detail::kKnown) {
    if (known.id == id) return known.name;
  }
  return {};
}

const Field* FieldList::find(FieldId id) const noexcept {
  if (!has(id)) return nullptr;
  for (const Field& field : *this) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

const Field* FieldList::find(std::string_view name) const noexcept {
  const FieldId id = field_id(name);
  return id == FieldId::kOther ? find_other(name) : find(id);
}

const Field* FieldList::find_other(std::string_view name) const noexcept {
  if (name.empty() || !has(FieldId::kOther)) return nullptr;
  const char first = lower(name.front());
  for (const Field& field : *this) {
    if (field.id != FieldId::kOther || field.name.size() != name.size()) continue;
    if (lower(field.name.front()) == first && equals_ignore_case(field.name, name)) return &field;
  }
  return nullptr;
}

std::string_view FieldList::value(FieldId id) const noexcept {
  const Field* field = find(id);
  return field == nullptr ? std::string_view() : field->value;
}

std::size_t FieldList::count_all(FieldId id) const noexcept {
  std::size_t found = 0;
  for_each(id, [&found](const Field&) { ++found; });
  return found;
}

void FieldList::grow() {
  const std::size_t more = room_ < kFieldsToDouble ? room_ : room_ / 4;
  fields_.resize(std::max(kFieldsToBeginWith, room_ + more));
  room_ = fields_.size();
}

void FieldList::drop() noexcept {
  fields_ = {};
  room_ = 0;
  clear();
}

void FieldList::rebase(const char* from, const char* to) noexcept {
  for (std::size_t i = 0; i < size_; ++i) {
    rebase_view(fields_[i].name, from, to);
    rebase_view(fields_[i].value, from, to);
  }
}

namespace {

// Both of one size, known when compiling: needs no call.
template <std::size_t kSize>
bool is_text(std::string_view text, const char (&known)[kSize]) noexcept {
  return std::memcmp(text.data(), known, kSize - 1) == 0;
}

}  // namespace

Method parse_method(std::string_view text) noexcept {
  switch (text.size()) {
    case 3:
      return is_text(text, "GET")   ? Method::kGet
             : is_text(text, "PUT") ? Method::kPut
                                    : Method::kOther;
    case 4:
      return is_text(text, "POST")   ? Method::kPost
             : is_text(text, "HEAD") ? Method::kHead
                                     : Method::kOther;
    case 5:
      return is_text(text, "PATCH")   ? Method::kPatch
             : is_text(text, "TRACE") ? Method::kTrace
                                      : Method::kOther;
    case 6:
      return is_text(text, "DELETE") ? Method::kDelete : Method::kOther;
    case 7:
      return is_text(text, "OPTIONS")   ? Method::kOptions
             : is_text(text, "CONNECT") ? Method::kConnect
                                        : Method::kOther;
    default:
      return Method::kOther;
  }
}

bool is_safe(Method method) noexcept {
  return method == Method::kGet || method == Method::kHead || method == Method::kOptions ||
         method == Method::kTrace;
}

bool is_idempotent(Method method) noexcept {
  return is_safe(method) || method == Method::kPut || method == Method::kDelete;
}

std::string_view to_string(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone:
      return "none";
    case Refusal::kBadRequest:
      return "bad_request";
    case Refusal::kTargetTooLong:
      return "target_too_long";
    case Refusal::kHeadersTooLarge:
      return "headers_too_large";
    case Refusal::kExpectationFailed:
      return "expectation_failed";
    case Refusal::kNotImplemented:
      return "not_implemented";
    case Refusal::kVersionNotSupported:
      return "version_not_supported";
    case Refusal::kUpstreamProtocol:
      return "upstream_protocol";
  }
  return "none";
}

std::uint16_t status_of(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kNone:
      return 200;
    case Refusal::kBadRequest:
      return 400;
    case Refusal::kTargetTooLong:
      return 414;
    case Refusal::kHeadersTooLarge:
      return 431;
    case Refusal::kExpectationFailed:
      return 417;
    case Refusal::kNotImplemented:
      return 501;
    case Refusal::kVersionNotSupported:
      return 505;
    case Refusal::kUpstreamProtocol:
      return 502;
  }
  return 500;
}

void RequestHead::clear() noexcept {
  method_text = {};
  target = {};
  host = {};
  fields.clear();
  framing = {};
  size = host_name_size = 0;
  method = Method::kOther;
  version_minor = 1;
  host_lower_case = keep_alive = expect_continue = upgrade = nominates = false;
}

void RequestHead::rebase(const char* from, const char* to) noexcept {
  rebase_view(method_text, from, to);
  rebase_view(target, from, to);
  rebase_view(host, from, to);
  fields.rebase(from, to);
}

void ResponseHead::clear() noexcept {
  reason = {};
  fields.clear();
  framing = {};
  content_length.reset();
  size = 0;
  status = 0;
  version_minor = 1;
  keep_alive = upgrade = nominates = false;
}

void ResponseHead::rebase(const char* from, const char* to) noexcept {
  rebase_view(reason, from, to);
  fields.rebase(from, to);
}

}  // namespace canaryd::http
