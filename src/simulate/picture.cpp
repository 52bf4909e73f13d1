#include "canaryd/simulate/picture.hpp"

#include "canaryd/base/units.hpp"
#include "canaryd/simulate/report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace canaryd::simulate {
namespace {

constexpr double kLeft = 64;
constexpr double kRight = 776;
// More points than pixels show nothing more.
constexpr std::size_t kMostPoints = 700;

struct Panel {
  double top;
  double bottom;
  std::string_view title;
};
constexpr Panel kWeight{92, 214, "canary's weight, % of the users"};
constexpr Panel kEvidence{262, 384, "evidence, % of what the decision takes"};

// Light by default; dark where the reader's system is.
constexpr std::string_view kStyle = R"(<style>
svg { background: #ffffff; font-family: system-ui, sans-serif; font-size: 12px; }
text { fill: #1f2328; } .title { font-size: 16px; font-weight: 600; } .faint { fill: #59636e; }
.grid { stroke: #d1d9e0; } .axis { stroke: #59636e; } path { fill: none; stroke-width: 2; stroke-linejoin: round; }
.weight { stroke: #0969da; } .rollback { stroke: #cf222e; } .accept { stroke: #1a7f37; stroke-dasharray: 5 3; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; } text { fill: #e6edf3; } .faint { fill: #9198a1; }
.grid { stroke: #30363d; } .axis { stroke: #9198a1; }
.weight { stroke: #58a6ff; } .rollback { stroke: #ff7b72; } .accept { stroke: #3fb950; }
}
</style>
)";

std::string number(double value) {
  char text[32];
  const int length = std::snprintf(text, sizeof text, "%.1f", value);
  return {text, static_cast<std::size_t>(length)};
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result;
}

void add_text(
    std::string& out, double x, double y, std::string_view attributes, std::string_view text) {
  out += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\"";
  if (!attributes.empty()) out += ' ';
  out += attributes;
  out += '>' + escaped(text) + "</text>\n";
}

void add_line(std::string& out, double x1, double y1, double x2, double y2, std::string_view kind) {
  out += "<line class=\"";
  out += kind;
  out += "\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" +
         number(y2) + "\"/>\n";
}

// Round steps of time, the first that needs at most eight ticks.
std::int64_t tick_seconds(std::int64_t length) {
  constexpr std::array<std::int64_t, 20> kSteps{1,     2,     5,     10,    20,     30,    60,
                                                120,   300,   600,   1200,  1800,   3600,  7200,
                                                10800, 21600, 43200, 86400, 172800, 432000};
  for (const std::int64_t step : kSteps) {
    if (length / step <= 8) return step;
  }
  return 86400 * (length / 86400 / 8 + 1);
}

std::string tick_text(std::int64_t seconds, std::int64_t step) {
  if (step >= 86400) return std::to_string(seconds / 86400) + " d";
  if (step >= 3600) return std::to_string(seconds / 3600) + " h";
  if (step >= 60) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds) + " s";
}

class Picture {
 public:
  explicit Picture(std::int64_t seconds) : seconds_(std::max<std::int64_t>(seconds, 1)) {}

  void frame(const Panel& panel, bool labels_time) {
    add_text(out_, kLeft, panel.top - 12, {}, panel.title);
    for (const int percent : {0, 50, 100}) {
      const double y = y_of(panel, percent / 100.0);
      add_line(out_, kLeft, y, kRight, y, percent == 0 ? "axis" : "grid");
      add_text(out_,
               kLeft - 8,
               y + 4,
               R"(class="faint" text-anchor="end")",
               std::to_string(percent) + " %");
    }
    const std::int64_t step = tick_seconds(seconds_);
    for (std::int64_t at = 0; at <= seconds_; at += step) {
      add_line(out_, x_of(at), panel.bottom, x_of(at), panel.bottom + 4, "axis");
      if (!labels_time) continue;
      add_text(out_,
               x_of(at),
               panel.bottom + 18,
               R"(class="faint" text-anchor="middle")",
               tick_text(at, step));
    }
  }

  // `stairs`: the value holds until the next point.
  template <class ValueOf>
  void curve(const Panel& panel,
             const std::vector<TracePoint>& trace,
             std::string_view kind,
             bool stairs,
             const ValueOf& value_of) {
    std::string path = "M" + number(kLeft) + "," + number(y_of(panel, value_of(trace.front())));
    const std::size_t stride = (trace.size() + kMostPoints - 1) / kMostPoints;
    double last = value_of(trace.front());
    for (std::size_t i = 0; i < trace.size(); ++i) {
      const double value = value_of(trace[i]);
      const bool jumps = stairs && value != last;
      if (i % stride != 0 && i + 1 != trace.size() && !jumps) continue;
      if (stairs && !jumps && i + 1 != trace.size()) continue;
      const std::string x = number(x_of(trace[i].second));
      if (stairs) path += "H" + x + "V" + number(y_of(panel, value));
      if (!stairs) path += "L" + x + "," + number(y_of(panel, value));
      last = value;
    }
    out_ += "<path class=\"";
    out_ += kind;
    out_ += "\" d=\"" + path + "\"/>\n";
  }

  void legend(double x, std::string_view kind, std::string_view text) {
    const double y = kEvidence.top - 16;
    out_ += "<path class=\"";
    out_ += kind;
    out_ += "\" d=\"M" + number(x) + "," + number(y) + "h24\"/>\n";
    add_text(out_, x + 30, y + 4, {}, text);
  }

  [[nodiscard]] std::string& out() noexcept { return out_; }

 private:
  [[nodiscard]] double x_of(std::int64_t second) const noexcept {
    return kLeft + (kRight - kLeft) * static_cast<double>(second) / static_cast<double>(seconds_);
  }
  [[nodiscard]] static double y_of(const Panel& panel, double share) noexcept {
    return panel.bottom - (panel.bottom - panel.top) * std::clamp(share, 0.0, 1.0);
  }

  std::int64_t seconds_;
  std::string out_;
};

std::string ending(const RunResult& run) {
  std::string words(to_string(run.outcome));
  std::replace(words.begin(), words.end(), '_', ' ');
  return words + (run.outcome == Outcome::kRunning ? " at " : " after ") +
         format_duration_brief(std::chrono::seconds(run.seconds)) + "; " +
         std::to_string(run.canary_requests) + " canary requests, users saw " +
         std::to_string(run.user_failures) + " of them fail";
}

}  // namespace

std::string render_svg(const Scenario& scenario,
                       const Study& study,
                       const RunResult& run,
                       const std::vector<TracePoint>& trace) {
  Picture picture(run.seconds);
  std::string& out = picture.out();
  out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 432\" width=\"800\" "
      "height=\"432\" "
      "role=\"img\">\n<title>" +
      escaped(scenario.plan.name + ": " + ending(run)) + "</title>\n";
  out += kStyle;
  add_text(out, 16, 26, "class=\"title\"", scenario.plan.name + ": " + ending(run));
  add_text(out,
           16,
           48,
           "class=\"faint\"",
           describe(scenario.traffic) + "; simulated with seed " + std::to_string(run.seed) +
               (study.runs > 1 ? ", typical of " + std::to_string(study.runs) + " runs" : ""));
  picture.frame(kWeight, false);
  picture.curve(kWeight, trace, "weight", true, [](const TracePoint& p) { return p.weight; });
  picture.frame(kEvidence, true);
  picture.curve(
      kEvidence, trace, "accept", false, [](const TracePoint& p) { return p.accept_evidence; });
  picture.curve(
      kEvidence, trace, "rollback", false, [](const TracePoint& p) { return p.rollback_evidence; });
  picture.legend(360, "rollback", "for rolling back");
  picture.legend(520, "accept", "for the next step");
  add_text(out, (kLeft + kRight) / 2, 422, "text-anchor=\"middle\"", "time since the start");
  return out + "</svg>\n";
}

}  // namespace canaryd::simulate
