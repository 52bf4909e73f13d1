#include "telemetry/families.hpp"

#include <chrono>

namespace canaryd::telemetry {
namespace {

prometheus::ClientMetric labelled(const Labels& labels) {
  prometheus::ClientMetric metric;
  metric.label.reserve(labels.size());
  for (const auto& [name, value] : labels) {
    metric.label.push_back({std::string(name), std::string(value)});
  }
  return metric;
}

}  // namespace

// prometheus-cpp keeps all kinds of values side by side and writes the one of the family's type.
void FamilyWriter::add_value(const Labels& labels, double value) {
  prometheus::ClientMetric metric = labelled(labels);
  metric.counter.value = value;
  metric.gauge.value = value;
  family_->metric.push_back(std::move(metric));
}

void FamilyWriter::add(const Labels& labels,
                       const DurationMetrics& durations,
                       const std::vector<double>& bounds) {
  prometheus::ClientMetric metric = labelled(labels);
  metric.histogram.sample_count = durations.histogram.total();
  metric.histogram.sample_sum = durations.sum_seconds;
  for (const double bound : bounds) {
    const auto length = std::chrono::round<Duration>(std::chrono::duration<double>(bound));
    metric.histogram.bucket.push_back({durations.histogram.at_most(length), bound});
  }
  family_->metric.push_back(std::move(metric));
}

FamilyWriter Families::counter(const char* name, const char* help) {
  return open(name, help, prometheus::MetricType::Counter);
}

FamilyWriter Families::gauge(const char* name, const char* help) {
  return open(name, help, prometheus::MetricType::Gauge);
}

FamilyWriter Families::histogram(const char* name, const char* help) {
  return open(name, help, prometheus::MetricType::Histogram);
}

FamilyWriter Families::open(const char* name, const char* help, prometheus::MetricType type) {
  prometheus::MetricFamily& family = families_.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type;
  return FamilyWriter(family);
}

std::vector<prometheus::MetricFamily> Families::take() && {
  std::vector<prometheus::MetricFamily> taken;
  taken.reserve(families_.size());
  for (prometheus::MetricFamily& family : families_) {
    if (!family.metric.empty()) taken.push_back(std::move(family));
  }
  families_.clear();
  return taken;
}

}  // namespace canaryd::telemetry
