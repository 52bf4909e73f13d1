// A short way to fill prometheus-cpp's families. Private to telemetry.
#pragma once

#include "canaryd/telemetry/metrics.hpp"

#include <prometheus/metric_family.h>

#include <deque>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::telemetry {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

// One family that is being filled. Refers into the Families it came from.
class FamilyWriter {
 public:
  explicit FamilyWriter(prometheus::MetricFamily& family) : family_(&family) {}

  // For counters and gauges. Counts above 2^53 lose their last digits, as everywhere in Prometheus.
  template <class Number>
  void add(const std::initializer_list<Labels::value_type>& labels, Number value) {
    add_value(labels, static_cast<double>(value));
  }
  template <class Number>
  void add(const Labels& labels, Number value) {
    add_value(labels, static_cast<double>(value));
  }
  void add(const Labels& labels,
           const DurationMetrics& durations,
           const std::vector<double>& bounds);

 private:
  void add_value(const Labels& labels, double value);

  prometheus::MetricFamily* family_;
};

class Families {
 public:
  FamilyWriter counter(const char* name, const char* help);
  FamilyWriter gauge(const char* name, const char* help);
  FamilyWriter histogram(const char* name, const char* help);

  // Those that have a series.
  [[nodiscard]] std::vector<prometheus::MetricFamily> take() &&;

 private:
  FamilyWriter open(const char* name, const char* help, prometheus::MetricType type);

  std::deque<prometheus::MetricFamily> families_;  // Stays in place while writers refer to it.
};

// feedback_metrics.cpp
void write_feedback(const MetricsSnapshot& from, Families& to);

}  // namespace canaryd::telemetry
