#include "canaryd/base/suggest.hpp"

#include <algorithm>
#include <utility>

namespace canaryd {
namespace {

constexpr std::size_t kMaxSuggested = 64;  // Longer words are not worth the quadratic comparison.
constexpr std::size_t kMaxCandidates = 200;
constexpr std::size_t kMaxMeant = 3;
constexpr std::size_t kMaxNamed = 10;

// Edit distance with swaps of neighbours (optimal string alignment), three rows.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::vector<std::string_view> closest(std::string_view given,
                                      const std::vector<std::string_view>& words) {
  if (given.empty() || given.size() > kMaxSuggested) return {};
  std::string lower(given);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '-' ? '_' : c;
  });
  std::vector<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(1, given.size() / 3);
  for (std::size_t i = 0; i < std::min(words.size(), kMaxCandidates); ++i) {
    const std::string_view word = words[i];
    if (word.size() + best_distance < given.size() || given.size() + best_distance < word.size()) {
      continue;  // The lengths alone differ by too much.
    }
    const std::size_t distance = std::min(edit_distance(given, word), edit_distance(lower, word));
    if (distance > best_distance) continue;
    if (distance < best_distance) best.clear();
    best_distance = distance;
    best.push_back(word);
  }
  return best;
}

std::string did_you_mean(std::string_view given, const std::vector<std::string_view>& words) {
  const std::vector<std::string_view> best = closest(given, words);
  // Of many that are as near, none is meant more than the others.
  if (best.empty() || best.size() > kMaxMeant) return {};
  if (std::find(best.begin(), best.end(), given) != best.end()) return {};
  return did_you_mean_one_of(best);
}

std::string did_you_mean_one_of(const std::vector<std::string_view>& meant) {
  if (meant.empty()) return {};
  std::string text = "did you mean ";
  for (std::size_t i = 0; i < meant.size(); ++i) {
    if (i > 0) text += i + 1 < meant.size() ? ", " : " or ";
    text += "\"" + std::string(meant[i]) + "\"";
  }
  return text + "?";
}

std::string no_such(std::string_view noun, const std::vector<std::string_view>& names) {
  std::string text = "there is no such " + std::string(noun);
  for (std::size_t i = 0; i < std::min(names.size(), kMaxNamed); ++i) {
    text += i > 0 ? ", " : names.size() == 1 ? "; there is " : "; there are ";
    text += names[i];
  }
  return names.size() > kMaxNamed ? text + " and more" : text;
}

}  // namespace canaryd
