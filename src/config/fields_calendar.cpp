// Rollouts: when they begin, who opens a gate, and when no weight rises.
#include "config/fields.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace canaryd::config {
namespace {

using namespace std::chrono_literals;

// ---------------------------------------------------------------- gates

// A name such as anna, anna@example.com or uid:1000.
bool is_person(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f && c != ',' && c != '"' && c != '\\';
  });
}

const Section<rollout::Step>& gate_section() {
  static const auto made = [] {
    using rollout::Approvals;
    using rollout::Step;
    const auto rule = [](auto member) {
      return [member](Step & step) -> auto& {
        return step.approvals.*member;
      };
    };
    Section<Step> s("Gate");
    s.require("name", &Step::gate, name(), "What `canaryctl approve` calls it.");
    s.add("approvals",
          rule(&Approvals::needed),
          narrow<std::uint32_t>(integer(1, rollout::kMaxApprovals)),
          "So many people have to approve.");
    s.add("of",
          rule(&Approvals::of),
          list_of(text({"a person's name", "", is_person, 63}), 0, 100),
          "Who may; nobody listed: anybody. Names that `--as` gives are claims.");
    s.add("expires",
          rule(&Approvals::expires),
          duration(0s, 1000 * std::chrono::hours(24)),
          "An approval counts for no longer; `0s`: until it is used.");
    return s;
  }();
  return made;
}

// ---------------------------------------------------------------- freeze

enum class Day : std::uint8_t {
  kSunday,
  kMonday,
  kTuesday,
  kWednesday,
  kThursday,
  kFriday,
  kSaturday
};

constexpr std::array kDays{Word{"mon", Day::kMonday},
                           Word{"tue", Day::kTuesday},
                           Word{"wed", Day::kWednesday},
                           Word{"thu", Day::kThursday},
                           Word{"fri", Day::kFriday},
                           Word{"sat", Day::kSaturday},
                           Word{"sun", Day::kSunday}};

// "16:00"; "24:00" is the end of the day.
std::optional<std::chrono::minutes> parse_clock(std::string_view text) {
  const auto two_digits = [](std::string_view digits, int most) -> std::optional<int> {
    int value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc() || stop != end || value < 0 || value > most) return std::nullopt;
    return value;
  };
  if (text.size() != 5 || text[2] != ':' || text[0] == '-' || text[3] == '-') return std::nullopt;
  const auto hours = two_digits(text.substr(0, 2), 24);
  const auto minutes = two_digits(text.substr(3), 59);
  if (!hours || !minutes || (*hours == 24 && *minutes != 0)) return std::nullopt;
  return std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
}

std::string format_clock(std::chrono::minutes of_day) {
  const auto two_digits = [](std::chrono::minutes::rep value) {
    return (value < 10 ? "0" : "") + std::to_string(value);
  };
  return two_digits(of_day.count() / 60) + ":" + two_digits(of_day.count() % 60);
}

Codec<std::chrono::minutes> clock_time() {
  Codec<std::chrono::minutes> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "time of day, \"00:00\" to \"24:00\"";
  codec.shape.pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$|\\$\\{";
  codec.read = [](Reader& in, const Node& node, std::chrono::minutes& out) {
    const std::string what = "a time of day such as \"16:00\"";
    if (!is_text(in, node, what)) return false;
    const auto value = parse_clock(node.text);
    if (!value) return in.expected(node, what);
    out = *value;
    return true;
  };
  codec.write = [](const std::chrono::minutes& value, const Names& /*names*/) {
    return std::optional(Node::string(format_clock(value)));
  };
  return codec;
}

Codec<TimeZone> time_zone() {
  Codec<TimeZone> codec;
  codec.shape.kind = Shape::Kind::kText;
  codec.shape.type = "name of a time zone";
  codec.read = [](Reader& in, const Node& node, TimeZone& out) {
    if (!is_text(in, node, "a time zone such as Europe/Berlin")) return false;
    auto zone = TimeZone::find(node.text);
    if (!zone && zone.error().code == ErrorCode::kNotFound) {
      return in.error(node,
                      "no time zone is named " + quoted(node.text),
                      "use a name of /usr/share/zoneinfo, such as Europe/Berlin or UTC");
    }
    if (!zone) return in.error(node, zone.error().context, "install tzdata");
    out = std::move(*zone);
    return true;
  };
  codec.write = [](const TimeZone& value, const Names& /*names*/) {
    return std::optional(Node::string(value.name()));
  };
  return codec;
}

struct RawWindow {
  std::vector<Day> days;
  std::chrono::minutes from = rollout::FreezeWindow().from;
  std::chrono::minutes to = rollout::FreezeWindow().to;
  TimeZone zone;
};

const Section<RawWindow>& window_section() {
  static const auto made = [] {
    Section<RawWindow> s("Freeze window");
    s.add("days",
          &RawWindow::days,
          list_of(choice(kDays), 1, kDays.size()),
          "The days on which it begins.")
        .default_note = "every day";
    s.add("from", &RawWindow::from, clock_time(), "When it begins, in local time.");
    s.add("to",
          &RawWindow::to,
          clock_time(),
          "When it ends; not later than `from`: on the following day.");
    s.add("time_zone", &RawWindow::zone, time_zone(), "Whose local time.");
    return s;
  }();
  return made;
}

bool to_window(Reader& in, const Node& node, const RawWindow& raw, rollout::FreezeWindow& out) {
  if (raw.from >= 24h) return in.error(node, "from is at most 23:59");
  if (raw.to == 0min) return in.error(node, "to is at least 00:01", "write to: \"24:00\"");
  if (raw.from == raw.to) return in.error(node, "the window is empty: it ends when it begins");
  out.days = raw.days.empty() ? rollout::kEveryDay : rollout::Weekdays{0};
  for (const Day day : raw.days) {
    out.days = static_cast<rollout::Weekdays>(out.days | (1U << static_cast<unsigned>(day)));
  }
  out.from = raw.from;
  out.to = raw.to;
  out.zone = raw.zone;
  return true;
}

// A member of the plan, as one of the rollout.
template <class V>
auto of_plan(V rollout::Plan::*member) {
  return [member](Rollout& rollout) -> V& { return rollout.plan.*member; };
}

RawWindow from_window(const rollout::FreezeWindow& window) {
  RawWindow raw{{}, window.from, window.to, window.zone};
  if (window.days == rollout::kEveryDay) return raw;
  for (const auto& day : kDays) {
    if (((window.days >> static_cast<unsigned>(day.value)) & 1U) != 0)
      raw.days.push_back(day.value);
  }
  return raw;
}

Codec<std::vector<rollout::FreezeWindow>> freeze_windows() {
  return list_of(
      through<RawWindow, rollout::FreezeWindow>(window_section(), to_window, from_window),
      0,
      rollout::kMaxFreezeWindows);
}

}  // namespace

Codec<rollout::Step> step_gate() {
  const auto plain = name();
  Codec<rollout::Step> codec;
  codec.shape.kind = Shape::Kind::kEither;
  codec.shape.type = "name, or {name: NAME, approvals: 2, of: [NAME, ...], expires: 2h}";
  codec.shape.alternatives = {plain.shape, section(gate_section()).shape};
  codec.read = [plain](Reader& in, const Node& node, rollout::Step& out) {
    if (node.kind == Node::Kind::kMap) return gate_section().read(in, node, out);
    return plain.read(in, node, out.gate);
  };
  codec.write = [plain](const rollout::Step& step, const Names& names) -> std::optional<Node> {
    if (step.approvals == rollout::Approvals()) return plain.write(step.gate, names);
    return gate_section().write(step, names);
  };
  return codec;
}

void add_start(Section<Rollout>& s) {
  using rollout::Plan;
  s.add("start",
        of_plan(&Plan::start),
        choice(kStarts),
        "`auto`: as soon as both versions are healthy; `manual`: by `canaryctl start`; `after`: by "
        "itself too, but not before another rollout is promoted.");
  s.add("after",
        &Rollout::after,
        optional(rollout_reference()),
        "Of `start: after`: the rollout that has to be promoted first.");
  s.add("group",
        of_plan(&Plan::group),
        name(),
        "Rollouts of one group go in lockstep: a step is taken when all of them may, and what ends "
        "one of them rolls the others back.")
      .default_note = "none";
  s.add("pace",
        &Rollout::pace,
        choice(kPaces),
        "Steps between those that are listed. `evidence`: none; `linear`: 20, 30 and so on after "
        "10; `exponential`: 2, 4, 8 and so on after 1. Each is left as soon as the evidence "
        "allows.");
}

void add_waits(Section<Rollout>& s) {
  s.add("freeze",
        of_plan(&rollout::Plan::freeze),
        freeze_windows(),
        "While one of these windows is open, no weight rises and nothing is retired; everything "
        "else goes on.");
  s.add("parity",
        &Rollout::parity,
        optional(section(parity_section())),
        "It does not begin by itself before the canary is seen to answer reads as stable does.")
      .default_note = "not asked for";
  s.add("hooks",
        &Rollout::hooks,
        hook_list(),
        "Who is asked before a step, and told of what has happened.");
}

}  // namespace canaryd::config
