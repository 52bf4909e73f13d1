#include "canaryd/config/yaml_tree.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/config/load.hpp"
#include "config/report.hpp"
#include "config/yaml_scan.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>
#include <unordered_map>

namespace canaryd::config {
namespace {

// A node costs about 200 bytes; a file that needs more of them than this is not a configuration.
constexpr std::size_t kMaxNodes = 100'000;
// yaml-cpp queues the tokens of a whole flow collection before it reports the first event, about
// 300 bytes for each bracket, so that the handler's depth check would come too late. Brackets are
// counted beforehand.
constexpr std::size_t kMaxBrackets = 20'000;

// Ends a parse from inside the handler; never leaves this file.
struct Refusal {
  TreeProblem problem;
};

Place place_of(const YAML::Mark& mark) {
  if (mark.line < 0 || mark.column < 0) return {};
  return {
      0, static_cast<std::uint32_t>(mark.line) + 1, static_cast<std::uint32_t>(mark.column) + 1};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Tree& tree) : tree_(tree) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      throw Refusal{{place_of(mark), "a second YAML document starts here", "remove the \"---\""}};
    }
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    throw Refusal{{place_of(mark),
                   "the YAML anchor " + quoted("&" + name) + " is not supported",
                   "write the value out; defaults.rollout holds what all rollouts share"}};
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw Refusal{{place_of(mark), "YAML aliases are not supported", "write the value out"}};
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    place(node_at(mark, Node::Kind::kNull));
  }
  void OnScalar(const YAML::Mark& mark,
                const std::string& tag,
                YAML::anchor_t /*anchor*/,
                const std::string& value) override {
    Node node = node_at(mark, Node::Kind::kScalar);
    node.quoted = tag == "!";
    if (node.quoted) quotes_.push_back(mark);
    if (!node.quoted) refuse_tag(mark, tag);
    node.text = value;
    place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark,
                       const std::string& tag,
                       YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, Node::Kind::kList);
  }
  void OnMapStart(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, Node::Kind::kMap);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override {
    remove_duplicates(open_.back().node);
    close();
  }

  // Where texts in quotes begin, or their tags.
  [[nodiscard]] const std::vector<YAML::Mark>& quotes() const noexcept { return quotes_; }

 private:
  struct Open {
    Node node;
    bool has_key = false;
    std::string key;
    Place key_place;
  };

  static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    throw Refusal{{place_of(mark), "YAML tags are not supported", "remove the \"!\""}};
  }

  Node node_at(const YAML::Mark& mark, Node::Kind kind) {
    if (++nodes_ > kMaxNodes) {
      throw Refusal{{place_of(mark), "the file has too many values", {}}};
    }
    Node node;
    node.kind = kind;
    node.place = place_of(mark);
    return node;
  }

  void open(const YAML::Mark& mark, const std::string& tag, Node::Kind kind) {
    refuse_tag(mark, tag);
    if (open_.size() >= kMaxDepth) {
      throw Refusal{
          {place_of(mark), "nested more than " + std::to_string(kMaxDepth) + " levels deep", {}}};
    }
    Open level;
    level.node = node_at(mark, kind);
    open_.push_back(std::move(level));
  }

  void close() {
    Node done = std::move(open_.back().node);
    open_.pop_back();
    place(std::move(done));
  }

  void place(Node node) {
    if (open_.empty()) {
      tree_.root = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Node::Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      // yaml-cpp notices only at the next token that there is nothing.
      if (node.kind == Node::Kind::kNull) node.place = parent.key_place;
      parent.node.entries.push_back({std::move(parent.key), parent.key_place, std::move(node)});
      parent.has_key = false;
    } else {
      if (node.kind != Node::Kind::kScalar) {
        const bool braces = node.kind == Node::Kind::kMap;
        throw Refusal{{node.place,
                       "a key must be plain text",
                       braces ? "inside [ ] and { } write \"${NAME}\" in quotes" : ""}};
      }
      parent.key = std::move(node.text);
      parent.key_place = node.place;
      parent.has_key = true;
    }
  }

  // X

  void remove_duplicates(Node& map) {
    std::unordered_map<std::string, std::uint32_t> seen;
    std::vector<Node::Entry> kept;
    kept.reserve(map.entries.size());
    for (Node::Entry& entry : map.entries) {
      const auto [first, fresh] = seen.emplace(entry.key, entry.place.line);
      if (fresh) {
        kept.push_back(std::move(entry));
        continue;
      }
      tree_.problems.push_back({entry.place,
                                "duplicate key " + quoted(entry.key),
                                "it is first set on line " + std::to_string(first->second)});
    }
    map.entries = std::move(kept);
  }

  Tree& tree_;
  std::vector<Open> open_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
  std::vector<YAML::Mark> quotes_;
};

// Reads the caller's bytes in place; std::istringstream would copy them.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* start = const_cast<char*>(text.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    setg(start, start, start + text.size());       // Never written: no overflow() here.
  }
};

bool is_forbidden_control(unsigned char c) noexcept {
  return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

// What yaml-cpp must not see: other encodings, control characters, floods of brackets.
std::optional<TreeProblem> check_bytes(std::string_view text) {
  Place place{0, 1, 1};
  std::size_t brackets = 0;
  while (!text.empty()) {
    const std::size_t length = utf8_sequence_length(text);
    if (length == 0) return TreeProblem{place, "the file is not UTF-8 text", {}};
    const char c = text.front();
    if (is_forbidden_control(static_cast<unsigned char>(c))) {
      return TreeProblem{place, "the file contains a control character", {}};
    }
    if ((c == '[' || c == '{') && ++brackets > kMaxBrackets) {
      return TreeProblem{place, "the file has too many brackets", {}};
    }
    place.column += static_cast<std::uint32_t>(length);
    if (c == '\n') place = {0, place.line + 1, 1};
    text.remove_prefix(length);
  }
  return std::nullopt;
}

// Column of the first tab among a line's leading blanks; 0 when there is none.
std::uint32_t tab_in_indentation(std::string_view text, std::uint32_t line) {
  text = line_of(text, line);
  const std::size_t tab = text.substr(0, text.find_first_not_of(" \t")).find('\t');
  return tab == std::string_view::npos ? 0 : static_cast<std::uint32_t>(tab + 1);
}

// yaml-cpp's own words, where they would leave a reader at a loss.
struct Known {
  std::string_view theirs;
  const char* message;
  const char* hint;
};

const Known* known_problem(const YAML::Exception& exception) {
  static const Known kKnown[] = {
      {YAML::ErrorMsg::END_OF_MAP,
       "this line does not fit the map it stands in",
       "check the indentation and the \": \" after the key"},
      {YAML::ErrorMsg::END_OF_SEQ,
       "this line does not fit the list it stands in",
       "check the indentation and the \"- \""},
      {YAML::ErrorMsg::END_OF_MAP_FLOW,
       "the \"{\" is not closed properly",
       "check for a missing \"}\" or \",\""},
      {YAML::ErrorMsg::END_OF_SEQ_FLOW,
       "the \"[\" is not closed properly",
       "check for a missing \"]\" or \",\""},
      {YAML::ErrorMsg::EOF_IN_SCALAR, kEndlessQuote, kMissingQuote},
      {YAML::ErrorMsg::MAP_VALUE,
       "a \":\" where no value can start",
       "put text that contains \": \" in quotes"},
      {YAML::ErrorMsg::BLOCK_ENTRY, "a \"- \" where no list can be", "check the indentation"},
      {YAML::ErrorMsg::FLOW_END,
       "this bracket does not close the one that is open",
       "check for a missing \"]\" or \"}\" before it"},
      {YAML::ErrorMsg::UNKNOWN_ANCHOR,
       "YAML aliases are not supported",
       "write the value out, or put a text that begins with * in quotes"},
      {YAML::ErrorMsg::UNKNOWN_TOKEN, "this character cannot start a value", "put it in quotes"},
  };
  const auto* const found =
      std::find_if(std::begin(kKnown), std::end(kKnown), [&](const auto& each) {
        return exception.msg == each.theirs;
      });
  return found == std::end(kKnown) ? nullptr : found;
}

// Where the bracket is that yaml-cpp ran on from, if that is on another line.
TreeProblem open_problem(const Known& known, Place place, std::string_view text) {
  const auto begin = open_bracket(text, place);
  if (begin && begin->line != place.line) return {*begin, known.message, known.hint};
  const bool variable = line_of(text, place.line).find("${") != std::string_view::npos;
  return {place,
          known.message,
          std::string(known.hint) + (variable ? "; write \"${NAME}\" in quotes here" : "")};
}

// yaml-cpp takes the end of the file for that of a quoted text if a line has ended before it: what
// stood behind the missing quote would be lost without a word. And a quote that is missing may end
// with the next one.
void check_quotes(const std::vector<YAML::Mark>& marks, std::string_view text, Tree& tree) {
  for (const YAML::Mark& mark : marks) {
    if (mark.pos < 0 || static_cast<std::size_t>(mark.pos) >= text.size()) continue;
    auto begin = static_cast<std::size_t>(mark.pos);
    // The tag that a quoted text has anyway.
    if (text[begin] == '!') begin = text.find_first_not_of(" \t\r\n", begin + 1);
    const QuotedText quoted = read_quoted(text, begin);
    const Place place = place_of(mark);
    if (!quoted.ends) {
      // Whatever else there is may come from that.
      tree.root.reset();
      tree.problems = {TreeProblem{place, kEndlessQuote, kMissingQuote}};
      return;
    }
    if (quoted.has_keys && !tree.keys_in_quotes) tree.keys_in_quotes = place;
    if (quoted.has_siblings && !tree.siblings_in_quotes) tree.siblings_in_quotes = place;
  }
}

TreeProblem syntax_problem(const YAML::Exception& exception, std::string_view text) {
  const Place place = place_of(exception.mark);
  // A tab is the cause, whatever yaml-cpp ran into behind it; and so is a quote.
  if (const auto column = tab_in_indentation(text, place.line)) {
    return {{0, place.line, column}, "a tab in the indentation", "YAML allows spaces only"};
  }
  if (const auto quote = runaway_quote(text); quote && quote->place.line <= place.line) {
    return {quote->place, quote->ends ? kRunawayQuote : kEndlessQuote, kMissingQuote};
  }
  const Known* const known = known_problem(exception);
  if (known == nullptr) return {place, "YAML syntax: " + exception.msg, {}};
  if (exception.msg == YAML::ErrorMsg::END_OF_MAP_FLOW ||
      exception.msg == YAML::ErrorMsg::END_OF_SEQ_FLOW) {
    return open_problem(*known, place, text);
  }
  if (exception.msg == YAML::ErrorMsg::MAP_VALUE) {
    if (const auto key = key_without_colon(text, place)) {
      return {key->place,
              "no \": \" behind " + quoted(key->key),
              "a key has a colon and a blank behind it"};
    }
    if (const auto key = key_too_deep(text, place)) {
      return {key->place,
              "this line is further in than " + quoted(key->above) + " above it",
              "the keys of one map begin in the same column"};
    }
  }
  return {place, known->message, known->hint};
}

}  // namespace

Node Node::literal(std::string text) {
  Node node;
  node.kind = Kind::kScalar;
  node.text = std::move(text);
  return node;
}

Node Node::string(std::string text) {
  Node node = literal(std::move(text));
  node.quoted = true;
  return node;
}

Node Node::list() {
  Node node;
  node.kind = Kind::kList;
  return node;
}

Node Node::map() {
  Node node;
  node.kind = Kind::kMap;
  return node;
}

const Node::Entry* Node::find(std::string_view key) const noexcept {
  const auto found = std::find_if(
      entries.begin(), entries.end(), [key](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

Node::Entry* Node::find(std::string_view key) noexcept {
  const auto found = std::find_if(
      entries.begin(), entries.end(), [key](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

void Node::add(std::string key, Node value) {
  entries.push_back({std::move(key), {}, std::move(value)});
}

Tree parse_yaml(std::string_view text) {
  Tree tree;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (text.size() > kMaxFileBytes) {
    tree.problems.push_back({{}, "the file is larger than 1 MiB", {}});
    return tree;
  }
  if (auto problem = check_bytes(text)) {
    tree.problems.push_back(std::move(*problem));
    return tree;
  }
  TreeBuilder builder(tree);
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    check_quotes(builder.quotes(), text, tree);
    if (tree.problems.empty() && (!tree.root || tree.root->kind == Node::Kind::kNull)) {
      tree.root.reset();
      tree.problems.push_back({{0, 1, 1}, "the file is empty", {}});
    }
  } catch (const Refusal& refusal) {
    tree.root.reset();
    tree.problems.push_back(refusal.problem);
  } catch (const YAML::Exception& exception) {
    tree.root.reset();
    tree.problems.push_back(syntax_problem(exception, text));
  }
  return tree;
}

}  // namespace canaryd::config
