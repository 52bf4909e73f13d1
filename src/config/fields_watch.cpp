// Rollouts: which segments of the traffic are judged on their own as well.
#include "canaryd/base/segment_set.hpp"
#include "config/fields.hpp"

#include <algorithm>
#include <set>

namespace canaryd::config {
namespace {

using analysis::Settings;
using analysis::Watch;

constexpr std::size_t kValueBytesMax = 64;

// One that every value fits is a slip.
bool tells_apart(std::string_view text) {
  const auto is_printable = [](char c) { return c >= 0x20 && c != 0x7f; };
  return std::all_of(text.begin(), text.end(), is_printable) &&
         std::any_of(text.begin(), text.end(), [](char c) { return c != '*'; });
}

const Section<Watch>& watch_section() {
  static const auto made = [] {
    Section<Watch> s("Watch");
    s.require(
        "header", &Watch::header, text(header_name_rule()), "The header that tells them apart.");
    s.require(
        "values",
        &Watch::values,
        list_of(text({"printable ASCII with more in it than *", "", tells_apart, kValueBytesMax}),
                1,
                Settings::kMaxSegments),
        "Its values, whatever the case, each a segment; `*` stands for anything. The first that "
        "fits counts; requests with another value are in no segment.");
    return s;
  }();
  return made;
}

bool check_names(Reader& in, const Node& node, const std::vector<Watch>& watches) {
  std::set<std::string> names;
  for (const Watch& watch : watches) {
    for (const std::string& value : watch.values) {
      std::string name = analysis::segment_name(watch.header, value);
      if (name.size() > Settings::kSegmentNameBytesMax) {
        return in.error(node,
                        "header and value are longer than " +
                            std::to_string(Settings::kSegmentNameBytesMax) + " bytes");
      }
      const auto [place, added] = names.insert(std::move(name));
      if (!added) return in.error(node, *place + " is listed twice");
    }
  }
  if (names.size() <= Settings::kMaxSegments) return true;
  return in.error(node, "more than " + std::to_string(Settings::kMaxSegments) + " values");
}

}  // namespace

Codec<std::vector<Watch>> watches() {
  Codec<std::vector<Watch>> codec = list_of(section(watch_section()), 0, SegmentSet::kMost);
  codec.read = [read = std::move(codec.read)](
                   Reader& in, const Node& node, std::vector<Watch>& out) {
    return read(in, node, out) && check_names(in, node, out);
  };
  return codec;
}

}  // namespace canaryd::config
