#include "convert/manifest.hpp"

#include "canaryd/base/units.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

namespace canaryd::convert {
namespace {

using config::Node;

constexpr const char* kWriteOut =
    "write out what it stands for, as `yq 'explode(.)' FILE` does for a whole file";

// What an anchor stands for is not known here. The words for a configuration are no help.
std::string text_of(const config::TreeProblem& problem) {
  if (problem.message.starts_with("the YAML anchor")) {
    return problem.message + "; " + kWriteOut;
  }
  return problem.message + (problem.hint.empty() ? "" : "; " + problem.hint);
}

// Also one that stands for a map that is written out: left where it is, it would be a key of a name
// that nobody knows, and its values would be missed.
void refuse_merge_keys(Draft& draft, const Node& node) {
  for (const Node& item : node.items) refuse_merge_keys(draft, item);
  for (const Node::Entry& entry : node.entries) {
    if (entry.key == "<<") {
      draft.error(entry.place.line,
                  std::string("the YAML merge key \"<<\" is not supported; ") + kWriteOut);
    }
    refuse_merge_keys(draft, entry.value);
  }
}

void move_down(Node& node, std::uint32_t lines) {
  node.place.line += lines;
  for (Node& item : node.items) move_down(item, lines);
  for (Node::Entry& entry : node.entries) {
    entry.place.line += lines;
    move_down(entry.value, lines);
  }
}

// "1.5h" and "1h2.5m", which Kubernetes takes and a configuration of ours does not.
std::optional<Duration> decimal_duration(std::string_view text) {
  constexpr double kMostSeconds = 1e9;
  double seconds = 0;
  while (!text.empty()) {
    double value = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value, std::chars_format::fixed);
    const bool digits = (text.front() >= '0' && text.front() <= '9') || text.front() == '.';
    if (error != std::errc() || !digits) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::size_t unit = std::min(text.find_first_of("0123456789."), text.size());
    const auto one = parse_duration("1" + std::string(text.substr(0, unit)));
    if (!one) return std::nullopt;
    seconds += value * std::chrono::duration<double>(*one).count();
    text.remove_prefix(unit);
  }
  if (!(seconds <= kMostSeconds)) return std::nullopt;
  return std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(seconds));
}

bool is_separator(std::string_view line) {
  return line == "---" || line.starts_with("--- ") || line == "---\r";
}

bool is_blank(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t first = line.find_first_not_of(" \t\r");
    // "%YAML 1.2" is said to the parser, and is no document either.
    const bool says_nothing = first == line.npos || line[first] == '#' || line.starts_with('%');
    if (!says_nothing) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

std::string kind_of(const Node& object) {
  const Node::Entry* const kind = object.find("kind");
  return kind == nullptr ? "" : kind->value.text;
}

void add_object(Draft& draft, Node object, std::string kind, std::vector<Manifest>& manifests) {
  const std::uint32_t line = object.place.line;
  if (object.kind != Node::Kind::kMap) {
    draft.error(line, "expected a map with apiVersion and kind");
  } else if (manifests.size() == kDocumentsMax) {
    draft.error(line, "more than " + std::to_string(kDocumentsMax) + " documents");
  } else {
    manifests.push_back({std::move(kind), std::move(object)});
  }
}

// Those of a list, which `kubectl get -o yaml` prints, or the one that this is. In a list of one
// kind, "RolloutList", the objects need not say theirs.
void add_objects(Draft& draft, Node root, std::vector<Manifest>& manifests) {
  std::string kind = kind_of(root);
  Node::Entry* const items = kind.ends_with("List") ? root.find("items") : nullptr;
  if (items == nullptr || items->value.items.empty()) {
    return add_object(draft, std::move(root), std::move(kind), manifests);
  }
  kind.resize(kind.size() - std::string_view("List").size());
  for (Node& item : items->value.items) {
    std::string own = kind_of(item);
    add_object(draft, std::move(item), own.empty() ? kind : std::move(own), manifests);
  }
}

void read_document(Draft& draft,
                   std::string_view text,
                   std::uint32_t lines_before,
                   std::vector<Manifest>& manifests) {
  if (is_blank(text)) return;
  if (manifests.size() == kDocumentsMax) {
    draft.error(lines_before + 1, "more than " + std::to_string(kDocumentsMax) + " documents");
    return;
  }
  config::Tree tree = config::parse_yaml(text);
  for (const config::TreeProblem& problem : tree.problems) {
    draft.error(problem.place.line + lines_before, text_of(problem));
  }
  if (!tree.root || !tree.problems.empty()) return;
  move_down(*tree.root, lines_before);
  refuse_merge_keys(draft, *tree.root);
  add_objects(draft, std::move(*tree.root), manifests);
}

}  // namespace

std::vector<Manifest> read_manifests(Draft& draft, std::string_view text) {
  std::vector<Manifest> manifests;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::uint32_t line = 0;
  std::uint32_t first_line = 0;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (is_separator(text.substr(at, end - at))) {
      read_document(draft, text.substr(begin, at - begin), first_line, manifests);
      begin = std::min(end + 1, text.size());
      first_line = line + 1;
    }
    at = end + 1;
  }
  if (begin < text.size()) read_document(draft, text.substr(begin), first_line, manifests);
  // What is said of a part of the file would be wrong: what it misses may be in the other part.
  if (!draft.errors.empty()) return {};
  if (manifests.empty()) draft.error(0, "there is no document in the file");
  return manifests;
}

ManifestsByName by_name(const std::vector<Manifest>& manifests, std::string_view kind) {
  ManifestsByName found;
  for (const Manifest& manifest : manifests) {
    if (!manifest.kind.ends_with(kind)) continue;
    const Node::Entry* const metadata = manifest.root.find("metadata");
    const Node::Entry* const name = metadata == nullptr ? nullptr : metadata->value.find("name");
    if (name != nullptr) found.emplace(name->value.text, &manifest);
  }
  return found;
}

const Manifest* find_manifest(const std::vector<Manifest>& manifests,
                              std::string_view kind,
                              std::string_view name_space,
                              std::string_view name) {
  const Manifest* nearly = nullptr;
  for (const Manifest& manifest : manifests) {
    const Node::Entry* const metadata = manifest.root.find("metadata");
    if (manifest.kind != kind || metadata == nullptr) continue;
    const Node::Entry* const its_name = metadata->value.find("name");
    if (its_name == nullptr || its_name->value.text != name) continue;
    const Node::Entry* const found = metadata->value.find("namespace");
    const std::string_view its_space = found == nullptr ? "" : std::string_view(found->value.text);
    if (its_space == name_space) return &manifest;
    if (nearly == nullptr && (its_space.empty() || name_space.empty())) nearly = &manifest;
  }
  return nearly;
}

// ---- Part

Part::Part(Draft& draft, const Node* node, std::string path)
    : draft_(&draft), path_(std::move(path)) {
  if (node == nullptr || node->kind == Node::Kind::kNull) return;
  if (node->kind != Node::Kind::kMap) {
    draft.error(node->place.line, path_ + ": expected a map");
    return;
  }
  node_ = node;
  line_ = node->place.line;
}

std::uint32_t Part::line_of(std::string_view key) const {
  const Node::Entry* const entry = node_ == nullptr ? nullptr : node_->find(key);
  return entry == nullptr ? line_ : entry->place.line;
}

bool Part::has(std::string_view key) const {
  return node_ != nullptr && node_->find(key) != nullptr;
}

std::string Part::below(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

const Node* Part::take(const std::string& key) {
  seen_.insert(key);
  const Node::Entry* const entry = node_ == nullptr ? nullptr : node_->find(key);
  return entry == nullptr ? nullptr : &entry->value;
}

std::string Part::text(const std::string& key) {
  const Node* const node = take(key);
  if (node == nullptr || node->kind == Node::Kind::kNull) return {};
  if (node->kind == Node::Kind::kScalar) return node->text;
  draft_->error(line_of(key), below(key) + ": expected a text or a number");
  return {};
}

Part Part::part(const std::string& key) {
  Part inner(*draft_, take(key), below(key));
  if (!inner.exists()) inner.line_ = line_of(key);
  return inner;
}

std::vector<Part> Part::items(const std::string& key) {
  std::vector<Part> parts;
  const Node* const node = take(key);
  if (node == nullptr || node->kind == Node::Kind::kNull) return parts;
  if (node->kind != Node::Kind::kList) {
    draft_->error(line_of(key), below(key) + ": expected a list");
    return parts;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    parts.emplace_back(*draft_, &node->items[i], below(key) + "[" + std::to_string(i) + "]");
  }
  return parts;
}

std::vector<std::pair<std::uint32_t, std::string>> Part::words(const std::string& key) {
  std::vector<std::pair<std::uint32_t, std::string>> words;
  const Node* const node = take(key);
  if (node == nullptr || node->kind == Node::Kind::kNull) return words;
  if (node->kind != Node::Kind::kList) {
    draft_->error(line_of(key), below(key) + ": expected a list");
    return words;
  }
  for (const Node& item : node->items) words.emplace_back(item.place.line, item.text);
  return words;
}

std::optional<Duration> Part::duration(const std::string& key) {
  const std::string written = text(key);
  if (written.empty()) return std::nullopt;
  const bool plain =
      std::all_of(written.begin(), written.end(), [](char c) { return c >= '0' && c <= '9'; });
  const auto parsed = parse_duration(plain ? written + "s" : written);
  if (parsed) return *parsed;
  if (const auto decimal = decimal_duration(written)) return decimal;
  draft_->error(line_of(key),
                below(key) + ": " + parsed.error().context + ", got " + quoted(written));
  return std::nullopt;
}

void Part::leave_out(std::initializer_list<const char*> keys, const std::string& why) {
  for (const char* const key : keys) {
    if (take(key) == nullptr) continue;
    draft_->warn(line_of(key), below(key) + " is not carried over: " + why);
  }
}

void Part::pass_over(std::initializer_list<const char*> keys) {
  for (const char* const key : keys) seen_.insert(key);
}

void Part::end() {
  if (node_ == nullptr) return;
  for (const Node::Entry& entry : node_->entries) {
    if (seen_.contains(entry.key)) continue;
    draft_->warn(entry.place.line,
                 below(entry.key) + " is not carried over: canaryd convert does not know it");
  }
}

void read_rollout(Draft& draft,
                  const config::Node& root,
                  DraftRollout& rollout,
                  std::string& name_space,
                  const std::function<void(Part& spec)>& read_spec) {
  Part top(draft, &root, "");
  rollout.line = root.place.line;
  top.pass_over({"apiVersion", "kind", "status"});
  Part metadata = top.part("metadata");
  rollout.name = name_from(draft, metadata.line_of("name"), metadata.text("name"));
  name_space = metadata.text("namespace");
  metadata.pass_over({"labels", "annotations"});
  Part spec = top.part("spec");
  read_spec(spec);
  spec.end();
  top.end();
  finish_steps(rollout);
  draft.rollouts.push_back(std::move(rollout));
}

std::string service_address(const std::string& name,
                            const std::string& name_space,
                            const std::string& port) {
  return name + (name_space.empty() ? "" : "." + name_space + ".svc") + ":" +
         (port.empty() ? "80" : port);
}

}  // namespace canaryd::convert
