#include "control/verdict_record.hpp"

#include <boost/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace canaryd::control {
namespace {

namespace json = boost::json;

constexpr std::int64_t kVersion = 1;
// Raise it when the same rows come to other figures: then what was recorded cannot be compared.
constexpr std::int64_t kEngine = 1;

// "0x1.8p+1". Not printf, which writes the decimal point of a locale.
std::string exact(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  std::array<char, 40> digits{};
  const auto end = std::to_chars(
      digits.data(), digits.data() + digits.size(), std::abs(value), std::chars_format::hex);
  return (std::signbit(value) ? "-0x" : "0x") + std::string(digits.data(), end.ptr);
}

void add_figure(VerdictRecord& record, std::string name, double value) {
  record.figures.push_back({std::move(name), exact(value), value});
}

tl::unexpected<Error> malformed() {
  return fail(ErrorCode::kMalformed, "the figures recorded with the transition cannot be read");
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(json::string_view(key.data(), key.size()));
  const json::string* const text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

std::int64_t number_at(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(json::string_view(key.data(), key.size()));
  const std::int64_t* const number = value == nullptr ? nullptr : value->if_int64();
  return number == nullptr ? -1 : *number;
}

json::value parse(std::string_view text) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 4;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  return error ? json::value() : std::move(value);
}

}  // namespace

VerdictRecord record_of(std::string text) {
  VerdictRecord record;
  record.text = std::move(text);
  return record;
}

VerdictRecord record_of(std::string text, const Evidence& evidence) {
  VerdictRecord record = record_of(std::move(text));
  const analysis::Verdict& verdict = evidence.verdict();
  const analysis::Analyzer& analyzer = evidence.analyzer();
  record.run = evidence.run();
  record.rows = evidence.next_index();
  record.decision = analysis::to_string(verdict.decision);
  record.reason = analysis::to_string(verdict.reason);
  add_figure(record, "all", verdict.ln_total);
  for (std::size_t i = 0; i < analyzer.metrics().size(); ++i) {
    const std::string name(analyzer.metrics()[i].name);
    const analysis::MetricReport& report = verdict.metrics[i];
    add_figure(record, name + "/rollback", analyzer.ln_rollback(i));
    add_figure(record, name + "/accept", analyzer.ln_accept(i));
    add_figure(record, name + "/stable_n", report.stable_n);
    add_figure(record, name + "/stable_bad", report.stable_bad);
    add_figure(record, name + "/canary_n", report.canary_n);
    add_figure(record, name + "/canary_bad", report.canary_bad);
  }
  return record;
}

std::string serialise(const VerdictRecord& record) {
  json::object object;
  object["version"] = kVersion;
  object["text"] = record.text;
  if (record.run == 0) return json::serialize(object);
  object["engine"] = kEngine;
  object["run"] = static_cast<std::int64_t>(record.run);
  object["rows"] = static_cast<std::int64_t>(record.rows);
  object["decision"] = record.decision;
  object["reason"] = record.reason;
  json::object figures;
  for (const VerdictRecord::Figure& figure : record.figures) figures[figure.name] = figure.exact;
  object["figures"] = std::move(figures);
  return json::serialize(object);
}

Result<VerdictRecord> read_record(std::string_view text) {
  const json::value value = parse(text);
  const json::object* const object = value.if_object();
  if (object == nullptr) {
    return fail(ErrorCode::kUnsupported, "an older version recorded it, without its figures");
  }
  const std::int64_t version = number_at(*object, "version");
  if (version < 1) return malformed();
  if (version > kVersion) return fail(ErrorCode::kUnsupported, "a later version recorded it");
  VerdictRecord record = record_of(text_at(*object, "text"));
  if (!object->contains("run")) return record;
  if (number_at(*object, "engine") != kEngine) {
    return fail(ErrorCode::kUnsupported, "a version that reckons in another way recorded it");
  }
  const json::value* const named = object->if_contains("figures");
  const json::object* const figures = named == nullptr ? nullptr : named->if_object();
  const std::int64_t run = number_at(*object, "run");
  const std::int64_t rows = number_at(*object, "rows");
  if (run < 1 || rows < 0 || figures == nullptr) return malformed();
  record.run = static_cast<std::uint64_t>(run);
  record.rows = static_cast<std::uint64_t>(rows);
  record.decision = text_at(*object, "decision");
  record.reason = text_at(*object, "reason");
  for (const auto& figure : *figures) {
    const json::string* const exactly = figure.value().if_string();
    if (exactly == nullptr) return malformed();
    record.figures.push_back({std::string(figure.key().data(), figure.key().size()),
                              std::string(exactly->data(), exactly->size())});
  }
  return record;
}

std::string text_of_record(std::string_view text) {
  const json::value value = parse(text);
  const json::object* const object = value.if_object();
  return object == nullptr ? std::string(text) : text_at(*object, "text");
}

}  // namespace canaryd::control
