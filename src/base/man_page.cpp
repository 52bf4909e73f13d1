#include "canaryd/base/man_page.hpp"

#include <algorithm>

namespace canaryd {
namespace {

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':  // Else a hyphen, which no shell understands.
        out += "\\-";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// As one argument of a request.
std::string argument(std::string_view text) {
  std::string out = "\"";
  for (const char c : escape(text)) out += c == '"' ? std::string("\\(dq") : std::string(1, c);
  return out + "\"";
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return out;
}

}  // namespace

ManPage::ManPage(std::string_view name,
                 int section,
                 std::string_view summary,
                 std::string_view source) {
  out_ = ".\\\" Printed by canaryd; do not edit.\n";
  out_ += ".TH " + argument(upper(name)) + " " + std::to_string(section) + " \"\" " +
          argument(source) + "\n";
  this->section("NAME");
  line(std::string(name) + " - " + std::string(summary));
}

ManPage& ManPage::section(std::string_view title) {
  out_ += ".SH " + argument(title) + "\n";
  return *this;
}

ManPage& ManPage::subsection(std::string_view title) {
  out_ += ".SS " + argument(title) + "\n";
  return *this;
}

ManPage& ManPage::paragraph(std::string_view text) {
  out_ += ".PP\n";
  line(text);
  return *this;
}

ManPage& ManPage::example(std::string_view text) {
  out_ += ".PP\n.nf\n";
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out_ += ".fi\n";
  return *this;
}

ManPage& ManPage::term(std::string_view term, std::string_view text) {
  out_ += ".TP\n.B " + argument(term) + "\n";
  if (!text.empty()) line(text);  // An empty line would be one on paper.
  return *this;
}

ManPage& ManPage::begin_indent() {
  out_ += ".RS\n";
  return *this;
}

ManPage& ManPage::end_indent() {
  out_ += ".RE\n";
  return *this;
}

void ManPage::line(std::string_view text) {
  std::string escaped = escape(text);
  std::replace(escaped.begin(), escaped.end(), '\n', ' ');
  // \& ends what could begin a request; an apostrophe is escaped already.
  out_ += (escaped.starts_with('.') ? "\\&" : "") + escaped + "\n";
}

}  // namespace canaryd
