#include "convert/nginx_blocks.hpp"

#include "canaryd/config/load.hpp"

#include <cmath>
#include <utility>

namespace canaryd::convert {
namespace {

class Tokens {
 public:
  enum class Kind { kWord, kSemicolon, kOpen, kClose, kEnd, kBad };
  struct Token {
    Kind kind = Kind::kEnd;
    std::uint32_t line = 1;
    std::string text;  // Of a word; of kBad, what is wrong.
  };

  explicit Tokens(std::string_view text) : rest_(text) {}

  Token next() {
    skip();
    Token token;
    token.line = line_;
    if (rest_.empty()) return token;
    const char c = rest_.front();
    if (c == ';' || c == '{' || c == '}') {
      token.kind = c == ';' ? Kind::kSemicolon : c == '{' ? Kind::kOpen : Kind::kClose;
      rest_.remove_prefix(1);
      return token;
    }
    if (c == '"' || c == '\'') return read_quoted(std::move(token), c);
    return read_word(std::move(token));
  }

 private:
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  char pop() {
    const char c = rest_.front();
    if (c == '\n') ++line_;
    rest_.remove_prefix(1);
    return c;
  }

  void skip() {
    while (!rest_.empty()) {
      if (rest_.front() == '#') {
        while (!rest_.empty() && rest_.front() != '\n') pop();
      } else if (is_blank(rest_.front())) {
        pop();
      } else {
        return;
      }
    }
  }

  // A backslash, and what stands behind it: before any other character nginx keeps it.
  static std::string meant_by(char c) {
    switch (c) {
      case 'n':
        return "\n";
      case 'r':
        return "\r";
      case 't':
        return "\t";
      case '"':
      case '\'':
      case '\\':
        return {c};
      default:
        return {'\\', c};
    }
  }

  Token read_quoted(Token token, char quote) {
    pop();
    while (!rest_.empty() && rest_.front() != quote) {
      const char c = pop();
      const bool escapes = c == '\\' && !rest_.empty();
      token.text += escapes ? meant_by(pop()) : std::string{c};
    }
    if (rest_.empty()) {
      token.kind = Kind::kBad;
      token.text = "the quoted text never ends";
      return token;
    }
    pop();
    token.kind = Kind::kWord;
    return token;
  }

  // ${NAME} is part of a word, and its braces open no block.
  Token read_word(Token token) {
    token.kind = Kind::kWord;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (is_blank(c) || c == ';' || c == '}') break;
      if (c == '{') {
        if (!token.text.ends_with('$')) break;
        while (!rest_.empty() && rest_.front() != '}' && rest_.front() != '\n') token.text += pop();
        if (rest_.empty() || rest_.front() == '\n') {
          token.kind = Kind::kBad;
          token.text = "the \"${\" is not closed";
          return token;
        }
      } else if (c == '\\' && rest_.size() > 1) {
        token.text += pop();
      }
      token.text += pop();
    }
    return token;
  }

  std::string_view rest_;
  std::uint32_t line_ = 1;
};

class Blocks {
 public:
  Blocks(Draft& draft, std::string_view text) : draft_(draft), tokens_(text) {}

  // Up to the end of the block; false: an error has been reported.
  bool read(std::vector<Directive>& out, std::size_t depth) {
    Directive directive;
    for (;;) {
      Tokens::Token token = tokens_.next();
      switch (token.kind) {
        case Tokens::Kind::kBad:
          return fail(token.line, token.text);
        case Tokens::Kind::kWord:
          if (directive.words.empty()) directive.line = token.line;
          if (directive.words.size() == kWordsMax) return fail(token.line, "too many words");
          directive.words.push_back(std::move(token.text));
          continue;
        case Tokens::Kind::kEnd:
          if (depth > 0) return fail(token.line, "a \"}\" is missing");
          return directive.words.empty() || fail(token.line, "a \";\" is missing");
        case Tokens::Kind::kClose:
          if (!directive.words.empty()) return fail(token.line, "a \";\" is missing before \"}\"");
          return depth > 0 || fail(token.line, "this \"}\" closes nothing");
        case Tokens::Kind::kSemicolon:
        case Tokens::Kind::kOpen:
          if (directive.words.empty()) return fail(token.line, "a name is missing here");
          if (++count_ > kDirectivesMax) return fail(token.line, "too many directives");
          if (token.kind == Tokens::Kind::kOpen) {
            if (depth == config::kMaxDepth) return fail(token.line, "nested too deep");
            directive.has_block = true;
            if (!read(directive.block, depth + 1)) return false;
          }
          out.push_back(std::exchange(directive, {}));
      }
    }
  }

 private:
  bool fail(std::uint32_t line, const std::string& what) {
    draft_.error(line, what);
    return false;
  }

  Draft& draft_;
  Tokens tokens_;
  std::size_t count_ = 0;
};

}  // namespace

std::vector<Directive> read_directives(Draft& draft, std::string_view text) {
  std::vector<Directive> directives;
  if (!Blocks(draft, text).read(directives, 0)) directives.clear();
  return directives;
}

const Directive* rest_of(Draft& draft, const std::vector<Directive>& shares) {
  if (shares.size() != 2) return nullptr;
  double percent[2] = {0, 0};
  for (std::size_t i = 0; i < 2; ++i) {
    std::string_view text = shares[i].words[0];
    if (!text.ends_with('%')) return nullptr;
    text.remove_suffix(1);
    if (!percent_from(text, percent[i])) return nullptr;
  }
  if (std::lround((percent[0] + percent[1]) * 100) != 10'000) return nullptr;
  const std::size_t rest = percent[0] > percent[1] ? 0 : 1;
  draft.warn(shares[rest].line,
             "there is no *: " + quoted(shares[rest].words[1]) + " is taken as stable, and " +
                 quoted(shares[1 - rest].words[1]) + " as the canary");
  return &shares[rest];
}

}  // namespace canaryd::convert
