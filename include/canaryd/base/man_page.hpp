// A manual page as text for groff and mandoc (man(7)), piece by piece.
//
// Every text is escaped: nothing in it is taken for a request or an escape of roff. Plain value;
// any thread.
#pragma once

#include <string>
#include <string_view>

namespace canaryd {

class ManPage {
 public:
  // "canaryctl", 1, "canaryctl - watch and steer ..."; `source` is at the foot of the page, such as
  // "canaryd 0.1.0".
  ManPage(std::string_view name, int section, std::string_view summary, std::string_view source);

  ManPage& section(std::string_view title);
  ManPage& subsection(std::string_view title);
  ManPage& paragraph(std::string_view text);
  // Lines as they are, in a fixed font.
  ManPage& example(std::string_view text);
  // What is explained, in bold, and below it the explanation.
  ManPage& term(std::string_view term, std::string_view text);
  // What follows is further in, up to the end of it.
  ManPage& begin_indent();
  ManPage& end_indent();

  [[nodiscard]] const std::string& text() const noexcept { return out_; }

 private:
  void line(std::string_view text);

  std::string out_;
};

}  // namespace canaryd
