#include "cli/top.hpp"

#include "cli/figures.hpp"
#include "cli/follow.hpp"
#include "cli/json_view.hpp"
#include "cli/line.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <ostream>

namespace canaryd::cli {
namespace {

constexpr std::string_view kRequests = "canaryd_requests_total{";
constexpr std::string_view kActive = "canaryd_requests_active{";

// Labels are names of the file: nothing in them is escaped.
std::string_view label(std::string_view series, std::string_view name) {
  const std::string key = std::string(name) + "=\"";
  const std::size_t at = series.find(key);
  if (at == std::string_view::npos) return {};
  series.remove_prefix(at + key.size());
  return series.substr(0, series.find('"'));
}

double value_of(std::string_view line) {
  const std::string_view text = line.substr(line.rfind(' ') + 1);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// A route may have several rollouts.
bool is_same(const TopRow& a, const TopRow& b) {
  return a.route == b.route && a.rollout == b.rollout && a.cohort == b.cohort;
}

void count_requests(std::vector<TopRow>& rows, std::string_view line) {
  TopRow named;
  named.route = label(line, "route");
  named.rollout = label(line, "rollout");
  named.cohort = label(line, "cohort");
  auto row = std::find_if(
      rows.begin(), rows.end(), [&](const TopRow& each) { return is_same(each, named); });
  if (row == rows.end()) row = rows.insert(row, std::move(named));
  const double value = value_of(line);
  row->requests += value;
  if (label(line, "code_class") == "5xx") row->failures += value;
}

std::vector<TopRow> rows_of(std::string_view metrics) {
  std::vector<TopRow> rows;
  std::vector<std::string_view> active;
  while (!metrics.empty()) {
    const std::string_view line = metrics.substr(0, metrics.find('\n'));
    metrics.remove_prefix(std::min(line.size() + 1, metrics.size()));
    if (line.starts_with(kRequests)) count_requests(rows, line);
    if (line.starts_with(kActive)) active.push_back(line);
  }
  for (const std::string_view line : active) {
    for (TopRow& row : rows) {
      const bool same =
          row.rollout == label(line, "rollout") && row.cohort == label(line, "cohort");
      if (same) row.active = value_of(line);
    }
  }
  return rows;
}

constexpr int kGap = 2;  // Behind a name.
constexpr int kCohortWidth = 6;
constexpr int kRateWidth = 11;
constexpr int kFailedWidth = 10;
constexpr int kActiveWidth = 9;
constexpr int kRequestsWidth = 13;
constexpr int kRouteLeast = 5;  // As wide as the titles.
constexpr int kRolloutLeast = 7;

// Which columns there are, and how wide those of names are.
struct Layout {
  bool has_rollout = true;
  bool has_active = true;
  bool has_requests = true;
  bool has_failed = true;
  int route = kRouteLeast;
  int rollout = kRolloutLeast;

  [[nodiscard]] int width() const {
    return route + kGap + (has_rollout ? rollout + kGap : 0) + kCohortWidth + kRateWidth +
           (has_failed ? kFailedWidth : 0) + (has_active ? kActiveWidth : 0) +
           (has_requests ? kRequestsWidth : 0);
  }
};

// A figure that is cut is worse than none: what does not fit beside the shortest names is left out,
// the total first, which says least of now.
Layout layout_for(int columns) {
  Layout layout;
  for (bool* const has_column :
       {&layout.has_requests, &layout.has_active, &layout.has_rollout, &layout.has_failed}) {
    if (layout.width() <= columns) break;
    *has_column = false;
  }
  return layout;
}

// As wide as the names are. The longer one gives way, until both fit or are as short as they may
// be.
void share_room(Layout& layout, int columns) {
  int& route = layout.route;
  int& rollout = layout.rollout;
  while (layout.width() > columns && (route > kRouteLeast || rollout > kRolloutLeast)) {
    const bool from_route = rollout <= kRolloutLeast || (route > kRouteLeast && route >= rollout);
    --(from_route ? route : rollout);
  }
}

}  // namespace

void TopRates::look(std::string_view metrics, Monotonic at) {
  looks_.push_back({at, rows_of(metrics)});
  // After a restart the counts begin anew.
  const auto all = [](const Look& look) {
    double sum = 0;
    for (const TopRow& row : look.rows) sum += row.requests;
    return sum;
  };
  if (looks_.size() > 1 && all(looks_.back()) < all(looks_[looks_.size() - 2])) {
    looks_.erase(looks_.begin(), looks_.end() - 1);
  }
  if (looks_.size() > kLooksMax) looks_.pop_front();
}

std::vector<TopRates::Rate> TopRates::rates() const {
  std::vector<Rate> rates;
  if (looks_.empty()) return rates;
  const Look& first = looks_.front();
  const Look& last = looks_.back();
  const double seconds = std::chrono::duration<double>(last.at - first.at).count();
  for (const TopRow& row : last.rows) {
    Rate rate{row, std::nullopt, std::nullopt, rates.size()};
    if (seconds > 0) {
      const auto before = std::find_if(first.rows.begin(),
                                       first.rows.end(),
                                       [&](const TopRow& each) { return is_same(each, row); });
      const TopRow none;
      const TopRow& from = before == first.rows.end() ? none : *before;
      const double requests = row.requests - from.requests;
      rate.per_second = requests / seconds;
      if (requests > 0) rate.failed = (row.failures - from.failures) / requests;
    }
    rates.push_back(std::move(rate));
  }
  std::sort(rates.begin(), rates.end(), [](const Rate& a, const Rate& b) {
    const auto busy = [](const Rate& rate) { return rate.per_second.value_or(0); };
    return std::pair(-busy(a), a.place) < std::pair(-busy(b), b.place);
  });
  return rates;
}

std::string TopRates::table(const ScreenOptions& options) const {
  const std::vector<Rate> all = rates();
  Layout layout = layout_for(options.columns);
  for (const Rate& rate : all) {
    layout.route = std::max(layout.route, display_width(rate.row.route));
    if (!layout.has_rollout) continue;
    layout.rollout = std::max(layout.rollout, display_width(rate.row.rollout));
  }
  share_room(layout, options.columns);
  const auto line = [&](Style style, const std::vector<std::string>& cells, Style failed) {
    Line out;
    out.add_left(cells[0], layout.route + kGap, style);
    if (layout.has_rollout) out.add_left(cells[1], layout.rollout + kGap, style);
    out.add_left(cells[2], kCohortWidth, style);
    out.add_right(cells[3], kRateWidth, style);
    if (layout.has_failed) out.add_right(cells[4], kFailedWidth, failed);
    if (layout.has_active) out.add_right(cells[5], kActiveWidth, style);
    if (layout.has_requests) out.add_right(cells[6], kRequestsWidth, style);
    return out.finish(options);
  };
  std::string text = line(Style::kDim,
                          {"ROUTE", "ROLLOUT", "COHORT", "REQUESTS/S", "5XX", "ACTIVE", "REQUESTS"},
                          Style::kDim);
  for (const Rate& rate : all) {
    const TopRow& row = rate.row;
    const bool plain = row.rollout.empty();
    const Style failed = rate.failed.value_or(0) > 0 ? Style::kBad : Style::kPlain;
    text += line(Style::kPlain,
                 {shortened(row.route, layout.route, options.utf8),
                  plain ? "-" : shortened(row.rollout, layout.rollout, options.utf8),
                  row.cohort == "none" ? "-" : row.cohort,
                  format_rate(rate.per_second),
                  format_ratio(rate.failed),
                  format_count(row.active),
                  format_count(row.requests)},
                 failed);
  }
  return text;
}

std::string TopRates::json() const {
  const auto or_null = [](std::optional<double> value) {
    return value ? boost::json::value(*value) : boost::json::value(nullptr);
  };
  boost::json::array items;
  for (const Rate& rate : rates()) {
    boost::json::object item;
    item["route"] = rate.row.route;
    if (!rate.row.rollout.empty()) item["rollout"] = rate.row.rollout;
    if (rate.row.cohort != "none") item["cohort"] = rate.row.cohort;
    item["rps"] = or_null(rate.per_second);
    item["error_rate"] = or_null(rate.failed);
    item["active"] = rate.row.active;
    item["requests"] = rate.row.requests;
    items.push_back(std::move(item));
  }
  return pretty_json({{"items", std::move(items)}});
}

int run_top(const Daemon& daemon, bool as_json, ScreenOptions screen, Environment& environment) {
  TopRates rates;
  const auto draw = [&]() -> Outcome<Frame> {
    const auto metrics = daemon.get("/metrics");
    if (!metrics) return tl::unexpected(metrics.error());
    rates.look(metrics->body, environment.clock.now());
    screen.columns = environment.columns();
    const std::string text = rates.table(screen);
    return Frame{text, text};
  };
  if (environment.out_is_terminal && !as_json) return watch(draw, environment);
  // The daemon counts once a second: over one second it may be one more or less.
  constexpr int kLooks = 4;
  for (int looks = 0; looks < kLooks; ++looks) {
    if (looks > 0 && !environment.wait(std::chrono::seconds(1))) return kExitFailed;
    const auto frame = draw();
    if (!frame) {
      environment.err << "canaryctl: " << frame.error().message << '\n';
      return frame.error().exit_code;
    }
  }
  environment.out << (as_json ? rates.json() : rates.table(screen)) << std::flush;
  return kExitDone;
}

}  // namespace canaryd::cli
