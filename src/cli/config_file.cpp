#include "cli/config_file.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/config/diff.hpp"
#include "canaryd/config/named_files.hpp"
#include "cli/figures.hpp"
#include "cli/json_view.hpp"
#include "cli/learned_traffic.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <map>
#include <ostream>
#include <utility>

namespace canaryd::cli {
namespace {

using config::RolloutChange;

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

// A name in the configuration is relative to the folder of its file.
std::string beside(const std::string& file, const std::string& name) {
  const std::size_t slash = file.rfind('/');
  if (name.starts_with('/') || slash == std::string::npos) return name;
  return file.substr(0, slash + 1) + name;
}

using Learned = std::vector<config::LearnedTraffic>;

config::LoadResult load(const Options& options,
                        Environment& environment,
                        const Learned& learned = {}) {
  config::LoadResult loaded;
  auto text = environment.read_file(options.file);
  if (!text) {
    config::Problem problem;
    problem.file = options.file;
    problem.message = "cannot be read: " + text.error().context;
    loaded.problems.push_back(std::move(problem));
    return loaded;
  }
  config::LoadInput input;
  input.file_name = options.file;
  input.text = std::move(*text);
  input.environment = environment.variable;
  input.learned = learned;
  for (const std::string& set : options.sets) {
    if (auto pair = config::split_override(set)) input.overrides.push_back(std::move(*pair));
  }
  loaded = config::load(input);
  config::read_named_files(loaded, [&](const std::string& name) {
    return environment.read_file(beside(options.file, name));
  });
  return loaded;
}

// The daemon refuses a file with a token that it cannot use. What is in it is the daemon's to read.
void check_tokens(config::LoadResult& loaded, const Options& options, Environment& environment) {
  if (!loaded.config || !environment.check_secret) return;
  for (const config::AdminToken& token : loaded.config->admin.tokens) {
    const auto readable = environment.check_secret(beside(options.file, token.token_file));
    if (readable && *readable) continue;
    config::Problem problem;
    problem.file = token.token_file;
    problem.message = "cannot be used, for admin.tokens." + token.name + ": ";
    if (readable) {
      problem.severity = config::Severity::kWarning;
      problem.message = "is not for this user to read, for admin.tokens." + token.name +
                        "; the user that canaryd runs as has to";
    } else {
      problem.message += readable.error().context;
    }
    loaded.problems.push_back(std::move(problem));
  }
  if (config::count_errors(loaded.problems) > 0) loaded.config.reset();
}

// What the daemon says of its rollouts: by name.
using Rollouts = std::map<std::string, JsonView>;
Rollouts by_name(JsonView items) {
  Rollouts rollouts;
  for (std::size_t i = 0; i < items.size(); ++i) rollouts[items[i]["name"].text()] = items[i];
  return rollouts;
}

std::string weight_of(JsonView rollout) {
  return format_share(rollout["weight"]["target"].number()) + " %";
}

bool has_everybody_on_canary(JsonView rollout) {
  const std::string state = rollout["state"].text();
  return state == "promoted" || state == "baking" || state == "retiring" || state == "retired" ||
         rollout["weight"]["target"].number() == 100;
}

// Whoever was moved to the canary goes back to the version that is stable in the new file. That is
// meant when the promoted version is the new stable, and else a surprise.
std::string warning_of(const RolloutChange& change, JsonView now, const config::Config& after) {
  if (!has_everybody_on_canary(now)) return {};
  const auto id = after.find_rollout(change.name);
  if (!id) return {};
  const std::string& stable = after.rollout(*id).plan.stable;
  if (stable != now["stable"].text()) return {};
  return "; sends everybody back to " + stable +
         ", and is refused while that is down, being retired or retired: make the promoted version "
         "stable";
}

bool ends_retirement(const RolloutChange& change, JsonView now, const config::Config& after) {
  const auto id = after.find_rollout(change.name);
  return id && now["state"].text() == "retiring" && !after.rollout(*id).retire;
}

// Where everybody has the same version, nobody changes it.
std::string redrawn_by(const RolloutChange& change, JsonView now) {
  const double weight = now["weight"]["target"].number().value_or(0);
  return weight > 0 && weight < 100 ? change.redrawn : std::string();
}

std::string fate_of(const RolloutChange& change, JsonView now, const config::Config& after) {
  const std::string state = state_text(now["state"].text());
  const std::string here = now.is_null() ? "" : " (" + state + ", " + weight_of(now) + ")";
  const std::string redrawn = redrawn_by(change, now);
  const std::string later =
      (redrawn.empty() ? "" : "; " + redrawn) +
      (change.judges_next_run
           ? "; a run under way is judged by the tolerances, limits and odds that it began with"
           : "");
  switch (change.fate) {
    case RolloutChange::Fate::kAdded:
      return "added: begins, or goes on where it stood if it was in the file before";
    case RolloutChange::Fate::kEnds:
      return "ends" + here + ": not in the new file; its journal stays";
    case RolloutChange::Fate::kRenewed:
      return "begins anew" + here + ": " + change.why + "; weight 0, fresh evidence" +
             warning_of(change, now, after);
    case RolloutChange::Fate::kReplanned:
      return "kept" + here + " with other steps: the weight stays, and is never raised by this" +
             later;
    case RolloutChange::Fate::kKept:
      break;
  }
  if (ends_retirement(change, now, after)) {
    return "kept" + here + ": its retirement ends, and the old version is in use again";
  }
  return "kept" + here + ": state, step and evidence stay" + later;
}

// The file does not say what `canaryd run --state-dir` has said, and a reload keeps to that.
std::string about_state_dir(const std::vector<config::Change>& changes) {
  const auto found = std::find_if(changes.begin(), changes.end(), [](const config::Change& change) {
    return change.path == "state.dir";
  });
  if (found == changes.end()) return {};
  return "if " + found->before +
         " is of the daemon's --state-dir, state.dir does not change: --set state.dir=" +
         found->before + " leaves it out\n";
}

std::string render(const std::vector<config::Change>& changes,
                   const std::vector<RolloutChange>& fates,
                   const Rollouts& now,
                   const config::Config& after) {
  if (changes.empty()) return "nothing changes\n";
  std::string out = "changes:\n";
  for (const config::Change& change : changes) {
    out += "  " + config::render_changes({change});
  }
  if (!fates.empty()) out += "rollouts:\n";
  for (const RolloutChange& fate : fates) {
    const auto found = now.find(fate.name);
    const JsonView view = found == now.end() ? JsonView() : found->second;
    out += "  " + fate.name + ": " + fate_of(fate, view, after) + "\n";
  }
  const auto waiting = std::count_if(
      changes.begin(), changes.end(), [](const auto& change) { return change.needs_restart; });
  if (waiting > 0) {
    out += std::to_string(waiting) + (waiting == 1 ? " change waits for a restart of canaryd\n"
                                                   : " changes wait for a restart of canaryd\n");
  }
  return out + about_state_dir(changes);
}

boost::json::object to_json(const std::vector<config::Change>& changes,
                            const std::vector<RolloutChange>& fates,
                            const Rollouts& now) {
  boost::json::array listed;
  for (const config::Change& change : changes) {
    const char* const kind = change.kind == config::Change::Kind::kAdded     ? "added"
                             : change.kind == config::Change::Kind::kRemoved ? "removed"
                                                                             : "changed";
    listed.push_back({{"path", change.path},
                      {"change", kind},
                      {"before", change.before},
                      {"after", change.after},
                      {"needs_restart", change.needs_restart}});
  }
  boost::json::array rollouts;
  for (const RolloutChange& fate : fates) {
    const auto found = now.find(fate.name);
    const JsonView view = found == now.end() ? JsonView() : found->second;
    boost::json::object row{{"name", fate.name},
                            {"change", std::string(config::to_string(fate.fate))},
                            {"why", fate.why.empty() ? redrawn_by(fate, view) : fate.why},
                            {"state", nullptr},
                            {"weight", nullptr}};
    if (!view.is_null()) row["state"] = view["state"].text();
    if (const auto weight = view["weight"]["target"].number()) row["weight"] = *weight;
    rollouts.push_back(std::move(row));
  }
  return {{"changes", std::move(listed)}, {"rollouts", std::move(rollouts)}};
}

// Line by line: what comes from the daemon and the file is made safe, and the lines stay lines.
void print_lines(std::ostream& out, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out << printable(text.substr(0, end)) << '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// Of which rollouts the daemon could not say anything.
std::string unseen(const config::Config& config, const Learned& learned) {
  std::string text;
  for (const config::Rollout& rollout : config.rollouts) {
    const bool seen = std::any_of(learned.begin(), learned.end(), [&](const auto& each) {
      return each.rollout == rollout.name;
    });
    if (seen) continue;
    text += rollout.name + ": the daemon has not seen enough of its traffic" +
            (rollout.expected_rps ? "; judged by expected_rps\n" : "\n");
  }
  return text;
}

// In JSON to standard output, for programs, and else to people.
void tell_problems(const config::LoadResult& loaded,
                   const Options& options,
                   Environment& environment,
                   const std::vector<config::RolloutForecast>& forecasts = {}) {
  if (options.output == "json") {
    environment.out << config::render_problems_json(loaded.problems, options.file, forecasts)
                    << '\n';
  } else {
    print_lines(environment.err, config::render_problems_text(loaded.problems, options.file));
  }
}

int fail_with(Environment& environment, const Failure& failure) {
  environment.err << "canaryctl: " << failure.message << '\n';
  return failure.exit_code;
}

}  // namespace

int check_file(const Options& options, Environment& environment, const Daemon* daemon) {
  config::LoadResult loaded = load(options, environment);
  Learned learned;
  if (daemon != nullptr && loaded.config) {
    auto seen = learn_traffic(*daemon, *loaded.config);
    if (!seen) return fail_with(environment, seen.error());
    learned = std::move(*seen);
    loaded = load(options, environment, learned);
  }
  check_tokens(loaded, options, environment);
  std::vector<config::RolloutForecast> forecasts;
  if (loaded.config) forecasts = config::forecast(*loaded.config, learned);
  tell_problems(loaded, options, environment, forecasts);
  if (options.output != "json") {
    print_lines(environment.out, config::render_forecasts(forecasts));
    if (loaded.config) {
      if (daemon != nullptr) print_lines(environment.out, unseen(*loaded.config, learned));
      print_lines(environment.out,
                  options.file + " is valid; canaryctl diff " + options.file +
                      " says what a reload would change\n");
    }
  }
  return loaded.config ? kExitDone : kExitConfigInvalid;
}

int diff_file(const Daemon& daemon, const Options& options, Environment& environment) {
  const config::LoadResult after = load(options, environment);
  if (!after.config) {
    tell_problems(after, options, environment);
    return kExitConfigInvalid;
  }
  const auto running = daemon.get("/api/v1/config");
  if (!running) return fail_with(environment, running.error());
  config::LoadInput input;
  input.file_name = "the daemon's configuration";
  input.text = running->body;
  const config::LoadResult before = config::load(input);
  if (!before.config) {
    return fail_with(environment,
                     {kExitFailed,
                      "the daemon's configuration cannot be read; is it of another version? "
                      "Compare canaryctl --version with canaryctl check"});
  }
  const auto listed = daemon.get("/api/v1/rollouts");
  if (!listed) return fail_with(environment, listed.error());
  const auto document = parse_json(listed->body);
  if (!document) return fail_with(environment, {kExitFailed, "the answer is no list of rollouts"});
  const Rollouts now = by_name(JsonView(*document)["items"]);
  const auto changes = config::diff_masked(*before.config, *after.config);
  const auto fates = config::diff_rollouts(*before.config, *after.config);
  if (options.output == "json") {
    environment.out << pretty_json(to_json(changes, fates, now));
  } else {
    print_lines(environment.out, render(changes, fates, now, *after.config));
  }
  return kExitDone;
}

}  // namespace canaryd::cli
