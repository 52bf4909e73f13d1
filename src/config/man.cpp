#include "canaryd/base/man_page.hpp"
#include "canaryd/config/schema.hpp"
#include "config/docs.hpp"
#include "config/fields.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

// The table has Markdown's marks, of which a manual page needs none.
std::string plain(std::string_view text) {
  std::string out(text);
  std::erase(out, '`');
  return out;
}

std::string meaning(const FieldInfo& field) {
  std::string out = type_text(field);
  if (!field.help.empty()) out += ". " + plain(field.help);
  if (field.required) {
    out += " Required.";
  } else if (!field.default_note.empty()) {
    out += " Default: " + plain(field.default_note) + ".";
  } else if (field.default_value && field.shape.kind != Shape::Kind::kSection) {
    out += " Default: " + render_flow(*field.default_value) + ".";
  }
  if (field.restart) out += " A change needs a restart.";
  return out;
}

void add_section(ManPage& page, const SectionInfo& info, const std::string& path) {
  page.subsection(path.empty() ? "Top level" : path);
  for (const FieldInfo& field : info.fields) page.term(field.key, meaning(field));
  if (info.title == "Defaults") return;  // Its keys are those of a rollout.
  for (const FieldInfo& field : info.fields) {
    for (const auto& [inner, suffix] : sections_of(field.shape)) {
      add_section(page, *inner, (path.empty() ? "" : path + ".") + std::string(field.key) + suffix);
    }
  }
}

constexpr const char* kExample = R"(version: 1
listeners:
  - {name: public, address: "0.0.0.0:8080"}
upstreams:
  shop-v1: {endpoints: ["127.0.0.1:9001"]}
  shop-v2: {endpoints: ["127.0.0.1:9002"]}
rollouts:
  checkout: {stable: shop-v1, canary: shop-v2}
routes:
  - {name: shop, match: {path_prefix: /}, rollout: checkout}
)";

}  // namespace

std::string render_man(std::string_view version) {
  ManPage page("canaryd.yaml", 5, "configuration of canaryd", "canaryd " + std::string(version));
  page.section("DESCRIPTION");
  page.paragraph(
      "One YAML file, read strictly: an unknown or duplicate key, a wrong type, a value out of "
      "range "
      "and a name that does not exist are errors, and all of them are reported in one pass, with "
      "line and column, by canaryd validate. canaryd config-dump prints a file with every default "
      "filled in.");
  page.section("VALUES");
  page.term("name", "Lower-case letters, digits and inner dashes, at most 63 characters.");
  page.term("duration", "250ms, 30s, 10m, 6h, 2d, and sums such as 1h30m.");
  page.term("size", "100B, 64KiB, 10MiB, 2GiB, or a plain number of bytes.");
  page.term("percentage", "A plain number: 5 is 5 %; weights have at most two decimals.");
  page.term("address", "IP:port or [v6]:port.");
  page.term("${NAME}, ${NAME:-default}",
            "A variable of the environment, in values only; $${ stands for ${.");
  page.section("EXAMPLE").example(kExample);
  page.section("KEYS");
  add_section(page, root_section().info(), {});
  page.section("SEE ALSO").paragraph("canaryd(8), canaryctl(1)");
  return page.text();
}

}  // namespace canaryd::config
