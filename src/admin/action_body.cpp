#include "admin/action_body.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <utility>

namespace canaryd::admin {
namespace {

namespace json = boost::json;
using control::Action;

constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kRevisionBytesMax = 253;  // As in a file.
constexpr std::size_t kIdBytesMax = 1024;
constexpr std::size_t kNameBytesMax = 63;
constexpr std::size_t kUrlBytesMax = std::size_t{64} * 1024;

// Of all objects in it; the parser bounds how deep they are.
std::size_t count_members(const json::value& value) {
  std::size_t count = 0;
  if (const json::object* const object = value.if_object()) {
    count = object->size();
    for (const auto& member : *object) count += count_members(member.value());
  } else if (const json::array* const array = value.if_array()) {
    for (const json::value& each : *array) count += count_members(each);
  }
  return count;
}

// Of valid JSON: those outside of its strings, one for each member that somebody has written.
std::size_t count_colons(std::string_view body) noexcept {
  std::size_t count = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (in_string && body[i] == '\\') {
      ++i;
    } else if (body[i] == '"') {
      in_string = !in_string;
    } else if (body[i] == ':' && !in_string) {
      ++count;
    }
  }
  return count;
}

Result<json::object> parse_object(std::string_view body) {
  if (body.empty()) return json::object{};
  boost::system::error_code code;
  json::value value = json::parse(body, code);
  if (code) return fail(ErrorCode::kMalformed, "the body is not valid JSON: " + code.message());
  if (!value.is_object()) return fail(ErrorCode::kMalformed, "the body is not a JSON object");
  // Of two with one name the parser keeps the last, and another reader perhaps the first.
  if (count_members(value) != count_colons(body)) {
    return fail(ErrorCode::kMalformed, "the body has two members of one name");
  }
  return std::move(value.get_object());
}

Result<void> check_members(const json::object& object,
                           std::initializer_list<std::string_view> known) {
  for (const auto& member : object) {
    const std::string_view key = member.key();
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string detail = "unknown member ";
    append_json_string(detail, key.substr(0, kTextBytesMax));
    detail += "; expected:";
    for (const std::string_view name : known) detail += " " + std::string(name);
    return fail(ErrorCode::kInvalidArgument, detail);
  }
  return {};
}

Result<std::string> read_text(const json::object& object, std::string_view key, std::size_t limit) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string() || value->get_string().size() > limit) {
    return fail(
        ErrorCode::kInvalidArgument,
        std::string(key) + " must be a string of at most " + std::to_string(limit) + " bytes");
  }
  return std::string(value->get_string());
}

// Nothing where it is left out or null; what is given is taken as it is, empty too: it is mostly a
// variable of a script that was not set, and no wish to leave it out.
Result<std::optional<std::string>> read_given(const json::object& object,
                                              std::string_view key,
                                              std::size_t limit) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return std::optional<std::string>();
  CANARYD_TRY_ASSIGN(std::string text, read_text(object, key, limit));
  return std::optional(std::move(text));
}

Result<std::optional<Duration>> read_duration(const json::object& object, std::string_view key) {
  CANARYD_TRY_ASSIGN(const auto text, read_given(object, key, kTextBytesMax));
  if (!text) return std::optional<Duration>();
  CANARYD_TRY_ASSIGN(const Duration duration, parse_duration(*text));
  return std::optional(duration);
}

Result<BasisPoints> read_weight(const json::object& object) {
  const auto wrong = [] {
    return fail(ErrorCode::kInvalidArgument,
                "weight must be a number from 0 to 100 with at most two decimals");
  };
  const json::value* const value = object.if_contains("weight");
  if (value == nullptr || !value->is_number()) return wrong();
  const double percent = value->to_number<double>();
  if (!(percent >= 0 && percent <= 100)) return wrong();
  const double hundredths = std::round(percent * 100);
  if (std::fabs(percent * 100 - hundredths) > 1e-6) return wrong();
  return BasisPoints(static_cast<unsigned>(hundredths));
}

Result<unsigned> read_score(const json::object& object) {
  const json::value* const value = object.if_contains("score");
  const bool whole = value != nullptr && value->is_int64();
  const std::int64_t score = whole ? value->get_int64() : 0;
  if (score < control::kScoreMin || score > control::kScoreMax) {
    return fail(ErrorCode::kInvalidArgument, "score must be a whole number from 1 to 5");
  }
  return static_cast<unsigned>(score);
}

Result<bool> read_flag(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr) return false;
  if (!value->is_bool()) {
    return fail(ErrorCode::kInvalidArgument, std::string(key) + " must be true or false");
  }
  return value->get_bool();
}

// A claim must not look like what canaryd itself knows of its peers, "uid:1000".
Result<void> check_person(const std::string& name) {
  const bool good = std::all_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && c != ':' && c != ',' && c != '"' && c != '\\';
  });
  if (good && !name.empty()) return {};
  return fail(ErrorCode::kInvalidArgument, "as must be a name such as anna or anna@example.com");
}

Result<void> read_approval(const json::object& object, control::ActionRequest& request) {
  CANARYD_TRY(check_members(object, {"gate", "expires", "as", "reason"}));
  CANARYD_TRY_ASSIGN(request.gate, read_text(object, "gate", kTextBytesMax));
  if (request.gate.empty()) return fail(ErrorCode::kInvalidArgument, "gate is missing");
  CANARYD_TRY_ASSIGN(const auto approver, read_given(object, "as", kNameBytesMax));
  if (approver) CANARYD_TRY(check_person(*approver));
  request.approver = approver.value_or("");
  CANARYD_TRY_ASSIGN(request.expires, read_duration(object, "expires"));
  return {};
}

Result<void> read_rollback(const json::object& object, control::ActionRequest& request) {
  CANARYD_TRY(check_members(object, {"over", "reason"}));
  CANARYD_TRY_ASSIGN(request.over, read_duration(object, "over"));
  return {};
}

Result<void> read_start(const json::object& object, control::ActionRequest& request) {
  CANARYD_TRY(check_members(object, {"revision", "reason"}));
  CANARYD_TRY_ASSIGN(request.revision, read_given(object, "revision", kRevisionBytesMax));
  return {};
}

Result<void> read_for_action(const json::object& object, control::ActionRequest& request) {
  switch (request.action) {
    case Action::kSetWeight: {
      CANARYD_TRY(check_members(object, {"weight", "reason"}));
      CANARYD_TRY_ASSIGN(request.weight, read_weight(object));
      return {};
    }
    case Action::kApprove:
      return read_approval(object, request);
    case Action::kStart:
      return read_start(object, request);
    case Action::kPromote: {
      CANARYD_TRY(check_members(object, {"full", "reason"}));
      CANARYD_TRY_ASSIGN(request.full, read_flag(object, "full"));
      return {};
    }
    case Action::kRollback:
      return read_rollback(object, request);
    case Action::kRetire: {
      CANARYD_TRY(check_members(object, {"skip_hook", "reason"}));
      CANARYD_TRY_ASSIGN(request.skip_hook, read_flag(object, "skip_hook"));
      return {};
    }
    default:
      return check_members(object, {"reason"});
  }
}

Result<void> read_headers(const json::value& headers, control::ExplainRequest& question) {
  const auto wrong = [] {
    return fail(ErrorCode::kInvalidArgument,
                "headers must be an object of strings, or of lists of strings");
  };
  if (!headers.is_object()) return wrong();
  for (const auto& member : headers.get_object()) {
    const auto add = [&](const json::value& value) {
      if (!value.is_string()) return false;
      question.headers.emplace_back(member.key(), value.get_string());
      return true;
    };
    if (const json::array* const values = member.value().if_array()) {
      if (!std::all_of(values->begin(), values->end(), add)) return wrong();
    } else if (!add(member.value())) {
      return wrong();
    }
  }
  return {};
}

}  // namespace

Result<void> read_action_body(std::string_view body, control::ActionRequest& request) {
  CANARYD_TRY_ASSIGN(const json::object object, parse_object(body));
  CANARYD_TRY(read_for_action(object, request));
  CANARYD_TRY_ASSIGN(request.reason, read_text(object, "reason", kReasonBytesMax));
  return {};
}

Result<control::FeedbackRequest> read_feedback_body(std::string_view body) {
  CANARYD_TRY_ASSIGN(const json::object object, parse_object(body));
  CANARYD_TRY(check_members(object, {"cohort", "score", "id", "comment", "reason"}));
  control::FeedbackRequest request;
  CANARYD_TRY_ASSIGN(const std::string cohort, read_text(object, "cohort", kTextBytesMax));
  if (cohort != to_string(Cohort::kStable) && cohort != to_string(Cohort::kCanary)) {
    return fail(ErrorCode::kInvalidArgument, "cohort must be stable or canary");
  }
  request.cohort = cohort == to_string(Cohort::kCanary) ? Cohort::kCanary : Cohort::kStable;
  CANARYD_TRY_ASSIGN(request.score, read_score(object));
  CANARYD_TRY_ASSIGN(request.id, read_text(object, "id", kIdBytesMax));
  CANARYD_TRY_ASSIGN(request.comment, read_text(object, "comment", control::kCommentBytesMax));
  CANARYD_TRY(read_text(object, "reason", kReasonBytesMax));
  return request;
}

Result<std::string> read_log_level_body(std::string_view body) {
  CANARYD_TRY_ASSIGN(const json::object object, parse_object(body));
  CANARYD_TRY(check_members(object, {"level", "reason"}));
  CANARYD_TRY(read_text(object, "reason", kReasonBytesMax));
  CANARYD_TRY_ASSIGN(std::string level, read_text(object, "level", kTextBytesMax));
  if (level.empty()) return fail(ErrorCode::kInvalidArgument, "level is missing");
  return level;
}

Result<control::ExplainRequest> read_explain_body(std::string_view body) {
  CANARYD_TRY_ASSIGN(const json::object object, parse_object(body));
  CANARYD_TRY(check_members(object, {"method", "url", "headers", "listener", "client"}));
  control::ExplainRequest question;
  CANARYD_TRY_ASSIGN(question.method, read_text(object, "method", kTextBytesMax));
  CANARYD_TRY_ASSIGN(question.url, read_text(object, "url", kUrlBytesMax));
  CANARYD_TRY_ASSIGN(question.listener, read_text(object, "listener", kTextBytesMax));
  CANARYD_TRY_ASSIGN(question.client, read_text(object, "client", kTextBytesMax));
  if (question.method.empty()) return fail(ErrorCode::kInvalidArgument, "method is missing");
  if (question.url.empty()) return fail(ErrorCode::kInvalidArgument, "url is missing");
  if (const json::value* const headers = object.if_contains("headers")) {
    CANARYD_TRY(read_headers(*headers, question));
  }
  return question;
}

Result<std::string> read_plain_body(std::string_view body) {
  CANARYD_TRY_ASSIGN(const json::object object, parse_object(body));
  CANARYD_TRY(check_members(object, {"reason"}));
  return read_text(object, "reason", kReasonBytesMax);
}

std::string reason_in(std::string_view body) {
  const auto object = parse_object(body);
  if (!object) return {};
  return read_text(*object, "reason", kReasonBytesMax).value_or("");
}

}  // namespace canaryd::admin
