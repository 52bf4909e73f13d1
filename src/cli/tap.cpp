#include "cli/tap.hpp"

#include "cli/figures.hpp"
#include "cli/line.hpp"
#include "cli/table.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <ostream>
#include <utility>

namespace canaryd::cli {
namespace {

// How long an interrupt may wait.
constexpr Duration kPatience = std::chrono::milliseconds(100);

constexpr int kNameMax = 24;  // Of a column, not of a name.
constexpr int kErrorMax = 20;
constexpr int kPathMin = 8;
constexpr int kPathOfAPipe = 24;
constexpr int kMethodMax = 7;
constexpr int kStatusMax = 17;  // "500 -> 502 failed"
constexpr int kNoLimit = 100000;

std::string cut_to(const std::string& text, int columns, bool utf8) {
  std::string line = Line().add(text).finish({.columns = columns, .color = false, .utf8 = utf8});
  line.pop_back();
  return line;
}

Style style_of(double status) {
  if (status >= 500) return Style::kBad;
  return status >= 400 ? Style::kWarn : Style::kPlain;
}

// What the client was told; before it what the upstream said, if that was something else or stable
// was asked instead: "500 -> 200 saved".
std::string status_text(JsonView request) {
  const auto told = request["status"].number();
  const auto said = request["upstream_status"].number();
  const std::string fallback = request["fallback"].text();
  const std::string text = format_count(told);
  if (fallback.empty() && (!said || said == told)) return text;
  return format_count(said) + " -> " + text + (fallback.empty() ? "" : " " + fallback);
}

Style style_of(JsonView request) {
  if (!request["fallback"].text().empty()) return Style::kBad;
  return style_of(std::max(request["status"].number().value_or(0),
                           request["upstream_status"].number().value_or(0)));
}

std::string target_of(const Options& options) {
  std::string target = "/api/v1/tap";
  char mark = '?';
  const auto add = [&](const std::string& name, const std::string& value) {
    if (value.empty()) return;
    target += std::exchange(mark, '&') + name + "=" + value;
  };
  add("cohort", options.cohort);
  add("route", options.route);
  add("errors", options.errors ? "1" : "");
  return target;
}

std::string more(const JsonView& data, const char* member, const char* what) {
  return format_count(data[member].number()) + " more " + what;
}

// One event, on the screen or in the pipe.
class Printer {
 public:
  Printer(bool json, ScreenOptions screen, Environment& environment)
      : json_(json), screen_(screen), environment_(environment) {}

  void print(const client::Event& event) {
    const auto document = parse_json(event.data);
    if (!document || !document->is_object()) return;
    const JsonView data(*document);
    if (event.type == "request") {
      if (environment_.out_is_terminal) screen_.columns = environment_.columns();
      environment_.out << (json_ ? json_line(*document)
                                 : table_.line(data, screen_, environment_.out_is_terminal))
                       << std::flush;
    } else if (event.type == "sampled") {
      note(more(data, "left_out", "match; this is a sample"));
    } else if (event.type == "dropped") {
      note(more(data, "events", "lost: they came faster than they were read"));
    }
  }

 private:
  // Beside the requests, so that a pipe has nothing else.
  void note(const std::string& text) {
    environment_.err << "canaryctl: " << text << '\n' << std::flush;
  }

  const bool json_;
  ScreenOptions screen_;
  Environment& environment_;
  TapTable table_;
};

}  // namespace

struct TapTable::Row {
  explicit Row(JsonView request)
      : time(request["ts"].text()),
        cohort(request["cohort"].text()),
        route(or_dash(request["route"].text())),
        method(or_dash(request["method"].text())),
        path(or_dash(request["path"].text())),
        status(status_text(request)),
        status_style(style_of(request)),
        duration(format_latency(request["t_total"].number())),
        upstream(or_dash(request["upstream"].text())),
        error(request["error"].text()) {
    // "2026-01-05T10:02:00.089Z": the day is known.
    if (time.size() == 24) time = time.substr(11, 12);
    const std::string query = request["query_masked"].text();
    if (!query.empty()) path += "?" + query;
  }

  std::string time;
  std::string cohort;
  std::string route;
  std::string method;
  std::string path;
  std::string status;
  Style status_style;
  std::string duration;
  std::string upstream;
  std::string error;
};

std::string TapTable::line(JsonView request, const ScreenOptions& options, bool cut) {
  const Row row(request);
  method_width_ = std::clamp(display_width(row.method), method_width_, kMethodMax);
  route_width_ = std::clamp(display_width(row.route), route_width_, kNameMax);
  status_width_ = std::clamp(display_width(row.status), status_width_, kStatusMax);
  upstream_width_ = std::clamp(display_width(row.upstream), upstream_width_, kNameMax);
  error_width_ = std::clamp(display_width(row.error), error_width_, kErrorMax);
  const auto name = [&](const std::string& text) { return cut_to(text, kNameMax, options.utf8); };

  Line head;
  head.add_left(row.time, 14, Style::kDim);
  head.add_left(or_dash(row.cohort), 8, row.cohort == "canary" ? Style::kActive : Style::kPlain);
  head.add_left(name(row.route), route_width_ + 2);
  head.add_left(cut_to(row.method, kMethodMax, options.utf8), method_width_ + 2);
  Line tail;
  tail.add_left(cut_to(row.status, kStatusMax, options.utf8), status_width_ + 1, row.status_style);
  tail.add_right(row.duration, 8).add("  ");
  tail.add_left(name(row.upstream), upstream_width_);
  if (!row.error.empty()) tail.add("  ").add(row.error, Style::kBad);

  const int kept = status_width_ + upstream_width_ + 13 + (error_width_ > 0 ? error_width_ + 2 : 0);
  const int width = cut ? std::max(options.columns - head.width() - kept, kPathMin) : kPathOfAPipe;
  head.add_left(cut ? cut_to(row.path, width, options.utf8) : row.path, width).add("  ");
  ScreenOptions fitting = options;
  if (!cut) fitting.columns = kNoLimit;
  return head.add(tail).finish(fitting);
}

int run_tap(const Daemon& daemon,
            const Options& options,
            ScreenOptions screen,
            Environment& environment) {
  if (!environment.wait(Duration::zero())) return kExitDone;
  auto stream = daemon.stream(target_of(options));
  // A daemon that does not answer is no reason to wait for it.
  if (!stream && environment.interrupted && environment.interrupted()) return kExitDone;
  if (!stream) {
    environment.err << "canaryctl: " << stream.error().message << '\n';
    return stream.error().exit_code;
  }
  Printer printer(options.output == "json", screen, environment);
  while (environment.wait(Duration::zero())) {
    const auto event = stream->next(kPatience);
    if (!event) {
      environment.err << "canaryctl: " << event.error().message << '\n';
      return event.error().exit_code;
    }
    if (*event) printer.print(**event);
  }
  return kExitDone;
}

}  // namespace canaryd::cli
