#include "control/reading.hpp"

#include "canaryd/base/text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

namespace canaryd::control {
namespace {

namespace json = boost::json;
using Kind = Reading::Kind;

// Untrusted text as part of a sentence.
std::string phrase(std::string_view text) {
  constexpr std::size_t kPhraseBytesMax = 200;
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  std::string out;
  append_printable(out, text.substr(0, kPhraseBytesMax));
  return out;
}

Reading none(std::string why) {
  return {Kind::kNone, std::nullopt, std::move(why)};
}

std::string status_text(int status) {
  return "status " + std::to_string(status);
}

std::string_view text_of(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

const json::object* object_of(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

// [time, "value"], as in a scalar and in each sample of a vector.
Reading number_of(const json::value* pair, const config::Query& rule) {
  const json::array* const both = pair == nullptr ? nullptr : pair->if_array();
  const bool whole = both != nullptr && both->size() == 2 && (*both)[1].is_string();
  if (!whole) return none("the answer has no value where one belongs");
  const json::string& text = (*both)[1].get_string();
  Reading reading;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return none("its value is " + phrase({text.data(), text.size()}) + ", which is no number");
  }
  reading.value = value;
  reading.kind = Kind::kGood;
  if (rule.max && value > *rule.max) reading.why = "above " + format_value(*rule.max);
  if (rule.min && value < *rule.min) reading.why = "below " + format_value(*rule.min);
  if (!reading.why.empty()) reading.kind = Kind::kBad;
  return reading;
}

Reading sample_of(const json::array& samples, const config::Query& rule) {
  if (samples.empty()) return none("the query gives no sample");
  if (samples.size() > 1) {
    return none("the query gives " + std::to_string(samples.size()) +
                " samples; it must give one, as by sum()");
  }
  const json::object* const sample = samples.front().if_object();
  return number_of(sample == nullptr ? nullptr : sample->if_contains("value"), rule);
}

// What the server was not sure of. Hints on how to write the query better are no doubts.
std::string warning_of(const json::object& answer) {
  const json::value* const warnings = answer.if_contains("warnings");
  if (warnings == nullptr || !warnings->is_array()) return {};
  for (const json::value& each : warnings->get_array()) {
    if (!each.is_string()) continue;
    const std::string_view text(each.get_string().data(), each.get_string().size());
    if (!text.starts_with("PromQL info")) return phrase(text);
  }
  return {};
}

Reading result_of(const json::object& answer, const config::Query& rule) {
  const json::object* const data = object_of(answer, "data");
  const json::value* const result = data == nullptr ? nullptr : data->if_contains("result");
  if (text_of(answer, "status") != "success" || result == nullptr) {
    return none("the answer is not one of Prometheus");
  }
  if (const std::string warning = warning_of(answer); !warning.empty()) {
    return none("the provider warns: " + warning);
  }
  const std::string_view type = text_of(*data, "resultType");
  if (type == "scalar") return number_of(result, rule);
  if (type == "vector" && result->is_array()) return sample_of(result->get_array(), rule);
  return none("the query gives a " + phrase(type) + ", not one number");
}

// 400 and 422 say what is wrong with the query; 503 that it was given up.
Reading refusal_of(int status, const json::object* answer) {
  const std::string what = answer == nullptr ? "" : phrase(text_of(*answer, "error"));
  return none(status_text(status) + (what.empty() ? "" : ": " + what));
}

}  // namespace

std::string format_value(double value) {
  std::string out;
  append_json_number(out, value);
  return out;
}

Reading read_prometheus(const client::Response& response, const config::Query& rule) {
  boost::system::error_code error;
  const json::value parsed = json::parse(response.body, error);
  const json::object* const answer = error ? nullptr : parsed.if_object();
  if (response.status != 200) return refusal_of(response.status, answer);
  if (answer == nullptr) return none("the answer is no JSON object");
  return result_of(*answer, rule);
}

Reading read_webhook(const client::Response& response) {
  constexpr std::array kNotAsked{401, 403, 404, 405, 407, 408, 425, 429};
  const int status = response.status;
  if (status >= 200 && status < 300) return {Kind::kGood, std::nullopt, {}};
  const bool refused = status >= 400 && status < 500 &&
                       std::find(kNotAsked.begin(), kNotAsked.end(), status) == kNotAsked.end();
  const std::string said = phrase(response.body);
  return {refused ? Kind::kBad : Kind::kNone,
          std::nullopt,
          status_text(status) + (said.empty() ? "" : ": " + said)};
}

Reading read_failure(const Error& error) {
  return none(phrase(error.context.empty() ? to_string(error.code) : error.context));
}

void ReadingRow::take(Reading reading, Monotonic asked, const config::Query& rule) {
  failure_.clear();
  if (reading.kind == Kind::kNone) {
    failure_ = std::move(reading.why);
    return;
  }
  // What is too old to count is too old to be in a row with.
  if (fresh(asked, rule) == nullptr) bad_ = 0;
  const bool excused = excused_until_ && asked <= *excused_until_;
  bad_ = reading.kind == Kind::kBad && !excused ? bad_ + 1 : 0;
  last_ = std::move(reading);
  last_asked_ = asked;
}

const Reading* ReadingRow::fresh(Monotonic now, const config::Query& rule) const noexcept {
  const bool there = last_ && now - last_asked_ <= kIntervalsFresh * rule.interval;
  return there ? &*last_ : nullptr;
}

Duration ReadingRow::silence(Monotonic now) const noexcept {
  return now - (last_ ? std::max(last_asked_, began_) : began_);
}

rollout::Readings ReadingRow::level(Monotonic now, const config::Query& rule) const noexcept {
  using rollout::Readings;
  const Reading* const reading = fresh(now, rule);
  if (reading == nullptr) {
    const bool long_ago = silence(now) > kIntervalsFresh * rule.interval;
    return long_ago ? Readings::kNone : Readings::kOpen;
  }
  if (bad_ >= rule.failures) {
    const bool back = rule.on_failure == config::Query::OnFailure::kRollback;
    return back ? Readings::kRollback : Readings::kBad;
  }
  const bool good = reading->kind == Kind::kGood && failure_.empty() && last_asked_ >= step_began_;
  return good ? Readings::kGood : Readings::kOpen;
}

}  // namespace canaryd::control
