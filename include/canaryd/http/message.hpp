// Heads of HTTP messages as views into the caller's buffer.
//
// A head owns nothing but its list of fields, whose memory clear() keeps: in steady state nothing
// is allocated. Whoever keeps many heads looks at room(), and has drop() give it back. The bytes
// must stay where they are while the head is in use; rebase() follows a buffer that was moved.
// Names are recognised once, while parsing: later code compares ids. Order and case of the fields
// are those of the wire. Thread rule: one owner. Limits: those the parser was given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace canaryd::http {

// The field names we act on. Fewer than 64: each is a bit of FieldList::present().
enum class FieldId : std::uint8_t {
  kOther = 0,
  kAuthorization,
  kCacheControl,
  kClose,
  kConnection,
  kContentEncoding,
  kContentLength,
  kContentRange,
  kContentType,
  kCookie,
  kDate,
  kExpect,
  kForwarded,
  kGrpcStatus,
  kHost,
  kHttp2Settings,
  kKeepAlive,
  kLocation,
  kMaxForwards,
  kOrigin,
  kProxyAuthenticate,
  kProxyAuthorization,
  kProxyConnection,
  kRetryAfter,
  kSetCookie,
  kTe,
  kTraceparent,
  kTracestate,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kVia,
  kWwwAuthenticate,
  kXCanarydCohort,
  kXCanarydError,
  kXCanarydRollout,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedProto,
  kXRequestId,
  kCount,
};

// Of a token in any letter case; kOther for one that is not in the list.
[[nodiscard]] FieldId field_id(std::string_view name) noexcept;
// The usual spelling: "Content-Length". Empty for kOther.
[[nodiscard]] std::string_view field_name(FieldId id) noexcept;

struct Field {
  std::string_view name;
  std::string_view value;  // Without the whitespace around it.
  std::uint32_t line_size =
      0;  // Bytes of the whole line from name.data() on, CRLF included; 0: there is no line.
  FieldId id = FieldId::kOther;
};

class FieldList {
 public:
  using const_iterator = const Field*;
  class Appender;

  FieldList() = default;
  // Moved it is copied: what is left would have a size and no memory.
  FieldList(const FieldList&) = default;
  FieldList& operator=(const FieldList&) = default;

  [[nodiscard]] bool has(FieldId id) const noexcept { return (present_ >> index(id) & 1U) != 0; }
  // The first field of that id, or nullptr.
  [[nodiscard]] const Field* find(FieldId id) const noexcept;
  // The first field of that name in any letter case, known or not, or nullptr.
  [[nodiscard]] const Field* find(std::string_view name) const noexcept;
  // The same of a name whose field_id() is kOther.
  [[nodiscard]] const Field* find_other(std::string_view name) const noexcept;
  // The first value of that id; empty if there is none.
  [[nodiscard]] std::string_view value(FieldId id) const noexcept;
  [[nodiscard]] std::size_t count(FieldId id) const noexcept {
    return (repeated_ >> index(id) & 1U) != 0 ? count_all(id) : static_cast<std::size_t>(has(id));
  }
  template <class Visitor>
  void for_each(FieldId id, Visitor&& visit) const {
    if (!has(id)) return;
    for (const Field& field : *this) {
      if (field.id == id) visit(field);
    }
  }

  [[nodiscard]] const_iterator begin() const noexcept { return fields_.data(); }
  [[nodiscard]] const_iterator end() const noexcept { return fields_.data() + size_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] const Field& operator[](std::size_t at) const noexcept { return fields_[at]; }

  void add(const Field& field) {
    if (size_ == room_) grow();
    note(present_, repeated_, field.id);
    fields_[size_++] = field;
  }
  // For codecs without lines, and for tests: recognises the name itself.
  void add(std::string_view name, std::string_view value) {
    note_odd_name();
    add(Field{name, value, 0, field_id(name)});
  }
  // Its line is no longer what is written.
  void set_value(std::size_t at, std::string_view value) noexcept {
    fields_[at].value = value;
    fields_[at].line_size = 0;
  }
  template <class Predicate>
  void remove_if(Predicate&& gone) noexcept {
    std::size_t kept = 0;
    present_ = repeated_ = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      if (gone(fields_[i])) continue;
      note(present_, repeated_, fields_[i].id);
      fields_[kept++] = fields_[i];
    }
    size_ = kept;
  }
  // Some name may hold other characters than letters, digits and '-'; false is sure.
  [[nodiscard]] bool may_have_odd_names() const noexcept { return odd_names_; }
  void note_odd_name() noexcept { odd_names_ = true; }
  void clear() noexcept {
    size_ = 0;
    present_ = repeated_ = 0;
    odd_names_ = false;
  }
  // How many fields there is memory for.
  [[nodiscard]] std::size_t room() const noexcept { return room_; }
  // As clear(), and the memory goes as well.
  void drop() noexcept;
  void rebase(const char* from, const char* to) noexcept;

 private:
  static constexpr std::size_t kFieldsToBeginWith = 16;
  // Up to here its room doubles. A longer list takes a quarter more each time: fields may be ten
  // times as large as their lines are.
  static constexpr std::size_t kFieldsToDouble = 256;

  void grow();
  [[nodiscard]] std::size_t count_all(FieldId id) const noexcept;
  static constexpr unsigned index(FieldId id) noexcept { return static_cast<unsigned>(id); }
  static void note(std::uint64_t& present, std::uint64_t& repeated, FieldId id) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << index(id);
    repeated |= present & bit;
    present |= bit;
  }

  std::vector<Field> fields_;  // All of the memory: only the first size_ count.
  std::size_t room_ = 0;       // How many it has; asking it takes a division each time.
  std::size_t size_ = 0;
  std::uint64_t present_ = 0;
  std::uint64_t repeated_ = 0;  // Ids that more than one field has.
  bool odd_names_ = false;
};

// Adds many fields without looking for memory at each one. A local of one function, which ends with
// finish(); nothing else may be done with the list meanwhile.
class FieldList::Appender {
 public:
  // As many as the list has memory for, and no more than `fields_max` in all.
  Appender(FieldList& list, std::size_t fields_max) noexcept
      : list_(&list),
        next_(list.fields_.data() + list.size_),
        present_(list.present_),
        repeated_(list.repeated_) {
    const std::size_t size = fields_max < list.room_ ? fields_max : list.room_;
    last_ = size > list.size_ ? list.fields_.data() + size : next_;
  }
  [[nodiscard]] bool has_room() const noexcept { return next_ != last_; }
  // While there is room. Member by member, so that none of it is put together elsewhere.
  [[gnu::always_inline]] void add(std::string_view name,
                                  std::string_view value,
                                  std::uint32_t line_size,
                                  FieldId id) noexcept {
    note(present_, repeated_, id);
    next_->name = name;
    next_->value = value;
    next_->line_size = line_size;
    next_->id = id;
    ++next_;
  }
  void finish() noexcept {
    list_->size_ = static_cast<std::size_t>(next_ - list_->fields_.data());
    list_->present_ = present_;
    list_->repeated_ = repeated_;
  }

 private:
  FieldList* list_;
  Field* next_;
  Field* last_;
  std::uint64_t present_;
  std::uint64_t repeated_;
};
static_assert(static_cast<unsigned>(FieldId::kCount) <= 64);

enum class Method : std::uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kPatch,
  kOptions,
  kTrace,
  kConnect,
  kOther,
};

// Methods are case-sensitive (RFC 9110 section 9.1): "get" is kOther.
[[nodiscard]] Method parse_method(std::string_view text) noexcept;
// RFC 9110 section 9.2.1: asks for no change.
[[nodiscard]] bool is_safe(Method method) noexcept;
// RFC 9110 section 9.2.2: may be sent a second time.
[[nodiscard]] bool is_idempotent(Method method) noexcept;

// How a body is delimited on one side of the proxy.
enum class BodyKind : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

struct BodyFraming {
  BodyKind kind = BodyKind::kNone;
  std::uint64_t length = 0;  // kLength only.

  [[nodiscard]] bool empty() const noexcept {
    return kind == BodyKind::kNone || (kind == BodyKind::kLength && length == 0);
  }
  friend bool operator==(const BodyFraming&, const BodyFraming&) = default;
};

// Why a message is not accepted: the words of the X-Canaryd-Error field.
enum class Refusal : std::uint8_t {
  kNone,
  kBadRequest,
  kTargetTooLong,
  kHeadersTooLarge,
  kExpectationFailed,
  kNotImplemented,
  kVersionNotSupported,
  kUpstreamProtocol,  // Anything wrong with a response.
};

[[nodiscard]] std::string_view to_string(Refusal refusal) noexcept;
[[nodiscard]] std::uint16_t status_of(Refusal refusal) noexcept;

// The answer of every check in this room; true when something is wrong.
struct Refused {
  Refusal why = Refusal::kNone;
  const char* detail = "";  // A static text for the log: which rule it was.

  [[nodiscard]] explicit operator bool() const noexcept { return why != Refusal::kNone; }
};

// The Host that was last found sound. Requests of one connection name the same, so that most need
// no second look at it: the same bytes mean the same.
class KnownHost {
 public:
  // Longer ones are looked at each time.
  static constexpr std::size_t kBytesMax = 48;

  // Never true of an empty one, which is not sound.
  [[nodiscard]] bool is(std::string_view host) const noexcept {
    return size_ != 0 && host.size() == size_ && equal(host.data());
  }
  void set(std::string_view host, std::uint32_t name_size, bool lower_case) noexcept {
    size_ = host.size() <= kBytesMax ? host.size() : 0;
    if (size_ != 0) std::memcpy(text_.data(), host.data(), size_);
    name_size_ = name_size;
    lower_case_ = lower_case;
  }
  [[nodiscard]] std::uint32_t name_size() const noexcept { return name_size_; }
  [[nodiscard]] bool lower_case() const noexcept { return lower_case_; }

 private:
  // Words that overlap; no call.
  [[nodiscard]] bool equal(const char* host) const noexcept {
    using Word = std::uint64_t;
    if (size_ < sizeof(Word)) return std::memcmp(host, text_.data(), size_) == 0;
    const std::size_t last = size_ - sizeof(Word);
    for (std::size_t at = 0; at < last; at += sizeof(Word)) {
      if (std::memcmp(host + at, text_.data() + at, sizeof(Word)) != 0) return false;
    }
    return std::memcmp(host + last, text_.data() + last, sizeof(Word)) == 0;
  }

  std::array<char, kBytesMax> text_{};
  std::size_t size_ = 0;  // 0: none.
  std::uint32_t name_size_ = 0;
  bool lower_case_ = false;
};

struct RequestHead {
  std::string_view method_text;
  std::string_view target;  // As received; uri.hpp makes the canonical form of it.
  std::string_view host;    // Value of the Host field; empty only in HTTP/1.0.
  FieldList fields;
  BodyFraming framing;
  std::uint32_t size = 0;  // Bytes of the whole head, empty lines before it included.
  // Of `host` without its port, once framing.hpp has checked it; 0: nobody has yet.
  std::uint32_t host_name_size = 0;
  bool host_lower_case = false;  // Then sure; see Authority.
  Method method = Method::kOther;
  std::uint8_t version_minor = 1;
  bool keep_alive = false;
  bool expect_continue =
      false;               // The client waits for 100 (never true for HTTP/1.0 or without a body).
  bool upgrade = false;    // The client offers another protocol (Upgrade, nominated by Connection).
  bool nominates = false;  // Connection names a field that has to be removed.
  KnownHost known_host;    // Of requests before; clear() keeps it.

  void clear() noexcept;
  void rebase(const char* from, const char* to) noexcept;
};

struct ResponseHead {
  std::string_view reason;
  FieldList fields;
  BodyFraming framing;  // Already for the method of the request: kNone for HEAD.
  // The field's value, also where there is no body (HEAD, 304).
  std::optional<std::uint64_t> content_length;
  std::uint32_t size = 0;
  std::uint16_t status = 0;
  std::uint8_t version_minor = 1;
  bool keep_alive = false;
  bool upgrade = false;  // Names another protocol (Upgrade, nominated by Connection).
  bool nominates = false;

  [[nodiscard]] bool interim() const noexcept { return status < 200; }
  void clear() noexcept;
  void rebase(const char* from, const char* to) noexcept;
};

}  // namespace canaryd::http
