#include "unit/control/runner_rig.hpp"

#include <utility>

namespace canaryd::control::test {

RunnerRig::RunnerRig() {
  std::string pattern = ::testing::TempDir() + "canaryd-control-XXXXXX";
  log_dir_ = ::mkdtemp(pattern.data());
  LogOptions options;
  options.file = log_dir_ + "/log";
  log_ = std::move(*Log::open(options, clock_));
  boot();
}

RunnerRig::~RunnerRig() {
  power_off();
  std::error_code ignored;
  std::filesystem::remove_all(log_dir_, ignored);
}

void RunnerRig::boot() {
  store_ =
      std::make_unique<store::AsyncStore>(std::make_unique<MemoryStore>(disk_), loop_.executor());
  host_ = std::make_shared<RunnerHost>();
  host_->store = store_.get();
  host_->log = log_.get();
  host_->now = [this] { return clock_.now(); };
  host_->wall_now = [this] { return clock_.wall_now() + clock_set_by_; };
  host_->publish = [this](std::function<void()> done) { take_table(std::move(done)); };
  MemoryStore reader(disk_);
  const auto recovered = recover(reader);
  ASSERT_TRUE(recovered.has_value());
  auto made = make_runner(host_, config_, *recovered, host_->wall_now());
  ASSERT_TRUE(made.has_value()) << describe(made.error());
  runner_ = std::move(*made);
  table_ = runner_->in_force();
}

void RunnerRig::crash() {
  disk_.fail();
  power_off();
  disk_.work();
  boot();
}

void RunnerRig::power_off() {
  store_.reset();
  loop_.forget();
  waiting_tables_.clear();
  runner_.reset();
}

void RunnerRig::take_table(std::function<void()> done) {
  ++tables_;
  if (on_table_) on_table_();
  table_ = runner_->in_force();
  if (done == nullptr) return;
  if (tables_at_once_) {
    done();
  } else {
    waiting_tables_.push_back(std::move(done));
  }
}

void RunnerRig::deliver_tables() {
  for (const auto& done : std::exchange(waiting_tables_, {})) done();
}

void RunnerRig::settle() {
  do {
    deliver_tables();
    loop_.settle(*store_);
  } while (!waiting_tables_.empty());
}

void RunnerRig::begin(rollout::Event::What what, std::optional<std::uint64_t> if_match) {
  rollout::Event event;
  event.what = std::move(what);
  event.actor = "anna";
  answers_.emplace_back();
  const std::size_t mine = answers_.size() - 1;
  runner_->handle(
      std::move(event),
      [this, mine](const Runner::Answer& answer) { answers_[mine] = answer; },
      if_match);
}

Runner::Answer RunnerRig::send(rollout::Event::What what) {
  begin(std::move(what));
  settle();
  EXPECT_TRUE(answers_.back().has_value());
  return answers_.back().value_or(Runner::Answer{});
}

void RunnerRig::tick(rollout::Judgement judgement) {
  clock_.advance(2s);
  runner_->tick(verdict(judgement));
}

void RunnerRig::climb_to(unsigned percent) {
  if (runner_->state().run == 0) send(rollout::Start{});
  for (int i = 0; i < 10 && runner_->state().weight < BasisPoints(percent * 100); ++i) {
    tick(rollout::Judgement::kAccept);
    settle();
  }
  ASSERT_EQ(effective(), percent);
}

double RunnerRig::effective() const {
  return table_.gate->effective(table_.weight).percent();
}

double RunnerRig::ceiling() const {
  return table_.gate->ceiling().percent();
}

double RunnerRig::durable_weight() const {
  const auto rows = disk_.journal();
  return rows.empty() ? 0 : rows.back().entry.weight_after.percent();
}

std::size_t RunnerRig::logged(const std::string& words) {
  log_->flush();
  std::ifstream in(log_dir_ + "/log");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::size_t count = 0;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) {
    ++count;
  }
  return count;
}

rollout::Phase RunnerRig::phase() const {
  return runner_->state().phase;
}

}  // namespace canaryd::control::test
