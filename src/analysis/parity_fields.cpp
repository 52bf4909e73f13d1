#include "canaryd/analysis/parity_fields.hpp"

#include "canaryd/stats/path_sketch.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace canaryd::analysis {
namespace {

namespace json = boost::json;
using Kind = ParityField::Kind;
using stats::ParityAnswer;

// "Application/JSON; charset=utf-8" is "application/json".
std::string media_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  std::string out(type);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool is_json(std::string_view media_type) noexcept {
  return media_type == "application/json" || media_type.ends_with("+json");
}

std::optional<json::value> parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = Differences::kDepthMax;
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error) return std::nullopt;
  return value;
}

bool same_type(const json::value& a, const json::value& b) noexcept {
  return a.kind() == b.kind() || (a.is_number() && b.is_number());
}

bool same_scalar(const json::value& a, const json::value& b) {
  // 1 and 1.0 are one number.
  if (a.is_double() != b.is_double()) {
    boost::system::error_code error;
    return a.to_number<double>(error) == b.to_number<double>(error);
  }
  return a == b;
}

// "@type" and "$ref" are names of fields.
bool is_id(std::string_view key) noexcept {
  const bool marked = key.starts_with('@') || key.starts_with('$');
  return stats::looks_like_id(marked ? key.substr(1) : key);
}

std::string unescaped(std::string_view segment) {
  std::string out;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const bool escape = segment[i] == '~' && i + 1 < segment.size();
    if (escape && (segment[i + 1] == '0' || segment[i + 1] == '1')) {
      out += segment[++i] == '0' ? '~' : '/';
    } else {
      out += segment[i];
    }
  }
  return out;
}

// One pair of bodies. path_ is what is told, keys_ what the rules look at.
class Walk {
 public:
  Walk(Differences& out, const IgnoredFields& ignored) : out_(out), ignored_(ignored) {}

  void values(const json::value& a, const json::value& b) {
    if (is_ignored()) return;
    if (!same_type(a, b)) return note(Kind::kType);
    if (a.is_object()) return objects(a.get_object(), b.get_object());
    if (a.is_array()) return arrays(a.get_array(), b.get_array());
    if (!same_scalar(a, b)) note(Kind::kValue);
  }

 private:
  void objects(const json::object& a, const json::object& b) {
    for (const auto& member : a) {
      const std::size_t before = enter(member.key());
      if (const json::value* const other = b.if_contains(member.key())) {
        values(member.value(), *other);
      } else {
        only_one();
      }
      leave(before);
    }
    for (const auto& member : b) {
      if (a.contains(member.key())) continue;
      const std::size_t before = enter(member.key());
      only_one();
      leave(before);
    }
  }

  void arrays(const json::array& a, const json::array& b) {
    if (a.size() != b.size()) note(Kind::kLength);
    const std::size_t before = path_.size();
    path_ += "/*";
    if (!ignored_.empty()) keys_.emplace_back("*");
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) values(a[i], b[i]);
    leave(before);
  }

  void only_one() {
    if (!is_ignored()) note(Kind::kPresence);
  }

  std::size_t enter(std::string_view key) {
    const std::size_t before = path_.size();
    path_ += '/';
    path_ += is_id(key) ? std::string_view("{key}") : key;
    if (!ignored_.empty()) keys_.push_back(key);
    return before;
  }

  void leave(std::size_t before) {
    path_.resize(before);
    if (!ignored_.empty()) keys_.pop_back();
  }

  [[nodiscard]] bool is_ignored() const { return !ignored_.empty() && ignored_.has(keys_); }

  // Many places of one list are one field.
  void note(Kind kind) {
    const std::string_view name = std::string_view(path_).substr(0, Differences::kPathMax);
    if (last_ && last_->kind == kind && last_->name == name) return;
    ParityField field{kind, std::string(name), ""};
    last_ = field;
    if (out_.fields.size() < Differences::kDifferencesMax) {
      out_.fields.insert(std::move(field));
    } else if (!out_.fields.contains(field)) {
      out_.cut = true;
    }
  }

  Differences& out_;
  const IgnoredFields& ignored_;
  std::string path_;
  std::vector<std::string_view> keys_;
  std::optional<ParityField> last_;
};

void compare_heads(const ParityAnswer& one,
                   const ParityAnswer& other,
                   const std::vector<std::string>& headers,
                   Differences& out) {
  if (media_type(one.content_type) != media_type(other.content_type)) {
    out.fields.insert({Kind::kMediaType, "", ""});
  }
  for (std::size_t i = 0; i < headers.size(); ++i) {
    if (one.headers.at(i) != other.headers.at(i))
      out.fields.insert({Kind::kHeader, headers[i], ""});
  }
}

void compare_bodies(const ParityAnswer& one,
                    const ParityAnswer& other,
                    const IgnoredFields& ignored,
                    Differences& out) {
  if (one.body == other.body) return;
  const bool readable = is_json(media_type(one.content_type));
  const auto a = readable ? parse(one.body) : std::nullopt;
  const auto b = readable ? parse(other.body) : std::nullopt;
  if (a && b) return Walk(out, ignored).values(*a, *b);
  out.fields.insert({Kind::kBody, "", ""});
}

bool fits(const std::vector<std::string>& rule,
          const std::vector<std::string_view>& path) noexcept {
  return std::equal(rule.begin(),
                    rule.end(),
                    path.begin(),
                    path.end(),
                    [](const std::string& segment, std::string_view found) {
                      return segment == "*" || segment == found;
                    });
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::kAnswer:
      return "answer";
    case Kind::kStatus:
      return "status";
    case Kind::kMediaType:
      return "media_type";
    case Kind::kHeader:
      return "header";
    case Kind::kBody:
      return "body";
    case Kind::kType:
      return "type";
    case Kind::kValue:
      return "value";
    case Kind::kPresence:
      return "presence";
    case Kind::kLength:
      return "length";
  }
  return "body";
}

std::string text_of(const ParityField& field) {
  std::string text(to_string(field.kind));
  if (!field.name.empty()) text += " " + field.name;
  if (!field.path.empty()) text += " of " + field.path;
  return text;
}

IgnoredFields::IgnoredFields(const std::vector<std::string>& rules) {
  for (const std::string& text : rules) {
    Rule rule;
    rule.anywhere = !text.starts_with('/');
    std::string_view left = text;
    if (rule.anywhere) rule.segments.emplace_back(left);
    while (!rule.anywhere && !left.empty()) {
      left.remove_prefix(1);
      const std::size_t end = std::min(left.find('/'), left.size());
      rule.segments.push_back(unescaped(left.substr(0, end)));
      left.remove_prefix(end);
    }
    rules_.push_back(std::move(rule));
  }
}

bool IgnoredFields::has(const std::vector<std::string_view>& path) const noexcept {
  if (path.empty()) return false;
  return std::any_of(rules_.begin(), rules_.end(), [&path](const Rule& rule) {
    return rule.anywhere ? path.back() == rule.segments.front() : fits(rule.segments, path);
  });
}

Differences compare_answers(const ParityAnswer& one,
                            const ParityAnswer& other,
                            const std::vector<std::string>& headers,
                            const IgnoredFields& ignored) {
  Differences out;
  // What is already known to differ needs no list of all that follows from it.
  if (one.answered != other.answered) {
    out.fields.insert({Kind::kAnswer, "", ""});
  } else if (one.status != other.status) {
    out.fields.insert({Kind::kStatus, "", ""});
  }
  if (!out.fields.empty()) return out;
  compare_heads(one, other, headers, out);
  if (out.fields.contains({Kind::kMediaType, "", ""})) return out;
  if (!one.whole && !other.whole) {
    out.compared = !out.fields.empty();
    return out;
  }
  // One that is longer than what is kept is longer than one that is not.
  if (one.whole != other.whole) {
    out.fields.insert({Kind::kBody, "", ""});
    return out;
  }
  compare_bodies(one, other, ignored, out);
  return out;
}

}  // namespace canaryd::analysis
