#include "unit/control/controller_rig.hpp"

#include <utility>

namespace canaryd::control::test {

ControllerRig::ControllerRig() {
  LogOptions options;
  options.level = LogLevel::kError;
  options.file = "/dev/null";
  log_ = std::move(*Log::open(options, clock_));
}

ControllerRig::~ControllerRig() {
  power_off();
}

config::LoadResult ControllerRig::load(const std::string& text) {
  config::LoadInput input;
  input.file_name = "canaryd.yaml";
  input.text = text;
  return config::load(input);
}

Result<void> ControllerRig::create() {
  store_ =
      std::make_unique<store::AsyncStore>(std::make_unique<MemoryStore>(disk_), loop_.executor());
  collector_ = std::make_unique<telemetry::Collector>();
  Parts parts;
  parts.clock = &daemon_clock_;
  parts.log = log_.get();
  parts.data_plane = &plane_;
  parts.collector = collector_.get();
  parts.store = store_.get();
  parts.load_config = [this] { return load(file_); };
  parts.health_io = health_io_;
  parts.http_io = http_io_;
  parts.exec_io = exec_io_;
  parts.read_file = read_file_;
  parts.resolve = resolve_;
  parts.drain = [this] { ++drains_; };
  parts.build = {"1.2.3", "abc"};
  auto loaded = load(file_);
  if (!loaded.config) return fail(ErrorCode::kMalformed, loaded.problems.at(0).message);
  MemoryStore reader(disk_);
  auto recovered = recover(reader);
  if (!recovered) return fail(recovered.error());
  auto made = Controller::create(parts, std::move(*loaded.config), std::move(*recovered));
  if (!made) return fail(made.error());
  controller_ = std::move(*made);
  return {};
}

Result<void> ControllerRig::start() {
  std::optional<Result<void>> started;
  controller_->start([&](Result<void> result) { started = std::move(result); });
  settle();
  return started.value_or(fail(ErrorCode::kTimeout));
}

void ControllerRig::boot() {
  ASSERT_TRUE(create().has_value());
  ASSERT_TRUE(start().has_value());
}

void ControllerRig::power_off() {
  controller_.reset();
  store_.reset();
  loop_.forget();
}

void ControllerRig::settle() {
  loop_.settle(*store_);
}

ReloadResult ControllerRig::reload(std::string file) {
  file_ = std::move(file);
  std::optional<ReloadResult> reloaded;
  controller_->reload({}, [&](ReloadResult result) { reloaded = std::move(result); });
  settle();
  EXPECT_TRUE(reloaded.has_value());
  return reloaded.value_or(ReloadResult{});
}

ActionResult ControllerRig::act(Action action, std::optional<std::uint64_t> if_match) {
  ActionRequest request;
  request.rollout = "shop";
  request.action = action;
  request.actor = "anna";
  request.if_match = if_match;
  std::optional<ActionResult> result;
  controller_->act(request, [&](ActionResult answer) { result = std::move(answer); });
  settle();
  EXPECT_TRUE(result.has_value());
  return result.value_or(ActionResult{});
}

void ControllerRig::second(int bad_of_stable, int bad_of_canary) {
  clock_.advance(1s);
  const double weight = effective() / 100;
  plane_.serve(Cohort::kCanary, static_cast<int>(2000 * weight), bad_of_canary, canary_takes_);
  plane_.serve(Cohort::kStable, static_cast<int>(2000 * (1 - weight)), bad_of_stable);
  controller_->tick();
  settle();
}

double ControllerRig::effective() const {
  const routing::Rollout& rollout = plane_.held.at(0).shared->table->rollouts().at(0);
  return rollout.gate->effective(rollout.weight).percent();
}

RolloutView ControllerRig::view() const {
  return controller_->rollout("shop").value();
}

}  // namespace canaryd::control::test
