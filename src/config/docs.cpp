#include "config/docs.hpp"

#include "canaryd/config/schema.hpp"
#include "config/fields.hpp"

#include <set>
#include <utility>
#include <vector>

namespace canaryd::config {
namespace {

constexpr std::string_view kIntroduction = R"(# Configuration reference

This file is printed from the table that also reads the configuration (`tools/gen_config_docs`); do not edit it.

One YAML file, read strictly: an unknown or duplicate key, a wrong type, a value out of range and a name that does not
exist are errors, and all of them are reported in one pass, with file, line and column. `canaryd validate -c FILE` does
only that; `canaryd config-dump -c FILE` prints the file with every default filled in; `canaryd schema` prints a JSON
Schema for editors. `config/canaryd.yaml` is a complete, commented example, `config/examples/` has smaller ones.

- **Names** (of listeners, upstreams, rollouts, routes, gates): lower-case letters, digits and inner dashes, at most 63
  characters.
- **Durations**: `250ms`, `30s`, `10m`, `6h`, `2d`, and sums such as `1h30m`.
- **Sizes**: `100B`, `64KiB`, `10MiB`, `2GiB`, or a plain number of bytes.
- **Percentages** are plain numbers: `5` is 5 %; weights have at most two decimals.
- **Addresses** are `IP:port` or `[v6]:port`; host names are not resolved, but for `endpoints: {dns: NAME:PORT}`.
- **Variables**: `${NAME}` and `${NAME:-default}` are expanded in values, never in keys. Without a default, an unset
  variable is an error; with one, an empty variable counts as unset. `$${` stands for `${`. Inside `[ ]` and `{ }`, put
  quotes around it.
- **Overrides**: `--set key=value`, such as `--set drain.timeout=1m` or `--set listeners[0].address=0.0.0.0:80`, is put
  in its place before anything is checked. A value in brackets, braces or quotes is YAML, any other is plain text.
- YAML anchors, aliases, tags and second documents are refused; `defaults.rollout` holds what rollouts share.
- A key marked "restart" changes nothing on a reload: it is reported and waits for the next start.
)";

constexpr std::string_view kClosing = R"(
## Rules between keys

- A rollout's `stable` and `canary` differ; weights rise from step to step, and `max_duration` is not below
  `min_duration`.
- A cohort key after one that every request has (`client_ip`, `per_request`, an issued cookie) can never be reached and
  is an error. `issue_cookie.name` must be the last of the keys: a user who comes without the cookie gets one, and its
  fresh value is the key of that very request, so that the second request meets the same version. A change of key, as at
  login, may change the version that a user meets.
- Each route has one of `rollout`, `split`, `upstream` and `respond`. The most specific route wins, whatever the order in
  the file: one with a host before one without, an exact path before a template, a template before a prefix, a template
  with more literal segments and a longer prefix before others, one that names methods before one that does not, then more
  header conditions before fewer. A route that can never be reached is an error.
- The lanes of a `split` have 100 % of the users together, and the same ones on all routes; their rollouts have the same
  `stable`, `cohort.keys` and `cohort.issue_cookie`.
- A segment that another one always comes before is an error, and a ring without a step to begin with is a warning.
- No two listeners share an address, and none is the admin's or an upstream's own; nor is the admin's an upstream's.
- An `admin.address` that other hosts reach needs `admin.tokens`, and so does an `admin.socket.mode` for everybody.
- An upstream or rollout that nothing uses is a warning, and so is a last step below 100 % (less `bake.holdback`) without a
  gate: when it is passed everybody goes to the canary at once.
)";

std::string cell(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) {
    text.insert(at, "\\");
  }
  return text;
}

std::string default_text(const FieldInfo& field) {
  if (field.required) return "**required**";
  if (!field.default_note.empty()) return std::string(field.default_note);
  if (field.shape.kind == Shape::Kind::kSection && field.shape.section != nullptr) return "";
  if (!field.default_value) return "";
  if (field.key == "steps") return "1, 5, 10, 25 and 100 %";
  return "`" + render_flow(*field.default_value) + "`";
}

void collect_sections(const Shape& shape, const std::string& suffix, InnerSections& out) {
  if (shape.kind == Shape::Kind::kSection) out.emplace_back(shape.section, suffix);
  if (shape.element) {
    const bool named = shape.kind == Shape::Kind::kNamed;
    collect_sections(*shape.element, suffix + (named ? ".NAME" : "[]"), out);
  }
  for (const Shape& alternative : shape.alternatives) collect_sections(alternative, suffix, out);
}

void append_section(std::string& out, const SectionInfo& info, const std::string& path) {
  out += "\n## " + (path.empty() ? std::string("Top level") : "`" + path + "`") + "\n\n";
  out += "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const FieldInfo& field : info.fields) {
    out += "| `" + std::string(field.key) + "` | " + cell(type_text(field)) + " | " +
           cell(default_text(field)) + " | " + cell(std::string(field.help)) +
           (field.restart ? " (restart)" : "") + " |\n";
  }
  if (info.title == "Defaults") return;
  for (const FieldInfo& field : info.fields) {
    for (const auto& [inner, suffix] : sections_of(field.shape)) {
      append_section(
          out, *inner, (path.empty() ? "" : path + ".") + std::string(field.key) + suffix);
    }
  }
}

}  // namespace

InnerSections sections_of(const Shape& shape) {
  InnerSections sections;
  collect_sections(shape, {}, sections);
  return sections;
}

std::string type_text(const FieldInfo& field) {
  const Shape& shape = field.shape;
  if (shape.kind == Shape::Kind::kList && sections_of(shape).empty()) {
    return "list of: " + shape.element->type;
  }
  if (shape.kind == Shape::Kind::kList) return "list";
  return shape.type;
}

std::string render_docs() {
  std::string out(kIntroduction);
  append_section(out, root_section().info(), {});
  out += kClosing;
  return out;
}

}  // namespace canaryd::config
