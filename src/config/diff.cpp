#include "canaryd/config/diff.hpp"

#include "config/dump.hpp"
#include "config/fields.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace canaryd::config {
namespace {

// List items are told apart by their names where they have one, so that a listener added in front
// of another is not taken for a change of both.
std::string item_path(const std::string& path, const Node& item, std::size_t index) {
  const Node::Entry* name = item.find("name");
  const bool named = name != nullptr && name->value.kind == Node::Kind::kScalar;
  return path + "[" + (named ? name->value.text : std::to_string(index)) + "]";
}

class Comparison {
 public:
  void compare(const std::string& path, const Node* before, const Node* after) {
    if (before == nullptr || after == nullptr) {
      const bool added = before == nullptr;
      changes_.push_back({added ? Change::Kind::kAdded : Change::Kind::kRemoved,
                          path,
                          added ? "" : scalar_text(*before),
                          added ? scalar_text(*after) : "",
                          false});
    } else if (before->kind == Node::Kind::kMap && after->kind == Node::Kind::kMap) {
      compare_children(path, children_of_map(path, *before), children_of_map(path, *after));
    } else if (has_maps(*before) || has_maps(*after)) {
      compare_children(path, children_of_list(path, *before), children_of_list(path, *after));
    } else if (render_flow(*before) != render_flow(*after)) {
      changes_.push_back({Change::Kind::kChanged, path, shown(*before), shown(*after), false});
    }
  }

  std::vector<Change> take() { return std::move(changes_); }

 private:
  using Children = std::vector<std::pair<std::string, const Node*>>;

  static std::string shown(Node node) {
    mask_secrets(node);
    return render_flow(node);
  }

  // A whole section is only named; its dump would fill pages.
  static std::string scalar_text(const Node& node) {
    return node.kind == Node::Kind::kScalar ? shown(node) : "";
  }

  static bool has_maps(const Node& node) {
    return std::any_of(node.items.begin(), node.items.end(), [](const Node& item) {
      return item.kind == Node::Kind::kMap;
    });
  }

  static Children children_of_map(const std::string& path, const Node& node) {
    Children children;
    for (const Node::Entry& entry : node.entries) {
      children.emplace_back(path.empty() ? entry.key : path + "." + entry.key, &entry.value);
    }
    return children;
  }

  static Children children_of_list(const std::string& path, const Node& node) {
    Children children;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      children.emplace_back(item_path(path, node.items[i], i), &node.items[i]);
    }
    return children;
  }

  void compare_children(const std::string& /*path*/,
                        const Children& before,
                        const Children& after) {
    const std::map<std::string, const Node*> old(before.begin(), before.end());
    const std::map<std::string, const Node*> fresh(after.begin(), after.end());
    for (const auto& [path, node] : before) {
      const auto match = fresh.find(path);
      compare(path, node, match == fresh.end() ? nullptr : match->second);
    }
    for (const auto& [path, node] : after) {
      if (!old.contains(path)) compare(path, nullptr, node);
    }
  }

  std::vector<Change> changes_;
};

// Keys of plain sections; nothing in a list or under a name waits for a restart.
bool needs_restart(std::string_view path) {
  const SectionInfo* section = &root_section().info();
  for (;;) {
    const std::size_t dot = path.find('.');
    const FieldInfo* field = section->find(path.substr(0, dot));
    if (field == nullptr || dot == std::string_view::npos)
      return field != nullptr && field->restart;
    if (field->shape.kind != Shape::Kind::kSection) return false;
    section = field->shape.section;
    path.remove_prefix(dot + 1);
  }
}

void add_difference(std::string& out,
                    const char* what,
                    const std::string& before,
                    const std::string& after) {
  if (before == after) return;
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text; };
  out += (out.empty() ? "" : ", ") + std::string(what) + " " + or_none(before) + " -> " +
         or_none(after);
}

std::string what_happened(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kAdded:
      return "added" + (change.after.empty() ? "" : " " + change.after);
    case Change::Kind::kRemoved:
      return "removed" + (change.before.empty() ? "" : " " + change.before);
    case Change::Kind::kChanged:
      break;
  }
  if (change.before == change.after) return change.after + ", changed behind the mask";
  return change.before + " -> " + change.after;
}

std::vector<Change> diff_trees(const Node& before, const Node& after) {
  Comparison comparison;
  comparison.compare("", &before, &after);
  std::vector<Change> changes = comparison.take();
  for (Change& change : changes) change.needs_restart = needs_restart(change.path);
  return changes;
}

// What a run is judged by is what it began with.
bool is_of_next_run(std::string_view path) noexcept {
  constexpr std::array<std::string_view, 6> kOfTheRun = {"analysis.tolerance",
                                                         "analysis.limits",
                                                         "analysis.false_",
                                                         "analysis.latency_quantiles",
                                                         "analysis.warm_up",
                                                         "analysis.burst_guard"};
  return std::any_of(kOfTheRun.begin(), kOfTheRun.end(), [path](std::string_view key) {
    return path.starts_with(key);
  });
}

bool same_judging(const analysis::Settings& before, const analysis::Settings& after) {
  return before.tolerance == after.tolerance && before.limits == after.limits &&
         before.false_rollback == after.false_rollback &&
         before.false_accept == after.false_accept &&
         before.latency_quantiles == after.latency_quantiles;
}

// Steps that are the same in the file still go elsewhere where others are held back.
bool same_weights(const rollout::Plan& before, const rollout::Plan& after) {
  if (rollout::full_weight(before) != rollout::full_weight(after)) return false;
  for (std::size_t i = 0; i < std::min(before.steps.size(), after.steps.size()); ++i) {
    if (rollout::step_weight(before, i) != rollout::step_weight(after, i)) return false;
  }
  return true;
}

bool draws_users_anew(std::string_view path) {
  return path == "cohort.salt" || path == "cohort.issue_cookie" || path.starts_with("cohort.keys");
}

// What else the issued cookie says is for browsers.
std::string redrawn_by(const CohortRules& before, const CohortRules& after) {
  std::string by;
  const auto add = [&](const char* key, bool same) {
    if (!same) by += (by.empty() ? "cohort." : ", cohort.") + std::string(key);
  };
  add("keys", before.keys == after.keys);
  add("issue_cookie", before.issue_cookie.has_value() == after.issue_cookie.has_value());
  add("salt", before.salt == after.salt);
  if (by.empty()) return by;
  return "users are drawn anew (" + by + "): some change version at once, in both directions";
}

RolloutChange compare(const Rollout& before, const Rollout& after) {
  RolloutChange change{after.name, RolloutChange::Fate::kKept, {}};
  add_difference(change.why, "stable", before.plan.stable, after.plan.stable);
  add_difference(change.why, "canary", before.plan.canary, after.plan.canary);
  add_difference(change.why, "revision", before.plan.revision, after.plan.revision);
  if (!change.why.empty()) {
    change.fate = RolloutChange::Fate::kRenewed;
  } else if (before.plan.steps != after.plan.steps || !same_weights(before.plan, after.plan)) {
    change.fate = RolloutChange::Fate::kReplanned;
  }
  change.judges_next_run = !same_judging(before.analysis, after.analysis);
  if (change.fate != RolloutChange::Fate::kRenewed) {
    change.redrawn = redrawn_by(before.cohort, after.cohort);
  }
  return change;
}

}  // namespace

std::string_view to_string(RolloutChange::Fate fate) noexcept {
  switch (fate) {
    case RolloutChange::Fate::kAdded:
      return "added";
    case RolloutChange::Fate::kEnds:
      return "ends";
    case RolloutChange::Fate::kRenewed:
      return "renewed";
    case RolloutChange::Fate::kReplanned:
      return "replanned";
    case RolloutChange::Fate::kKept:
      break;
  }
  return "kept";
}

std::vector<RolloutChange> diff_rollouts(const Config& before, const Config& after) {
  std::vector<RolloutChange> changes;
  for (const Rollout& rollout : after.rollouts) {
    const auto old = before.find_rollout(rollout.name);
    changes.push_back(old ? compare(before.rollout(*old), rollout)
                          : RolloutChange{rollout.name, RolloutChange::Fate::kAdded, {}});
  }
  for (const Rollout& rollout : before.rollouts) {
    if (after.find_rollout(rollout.name)) continue;
    changes.push_back({rollout.name, RolloutChange::Fate::kEnds, {}});
  }
  return changes;
}

std::vector<Change> diff(const Config& before, const Config& after) {
  return diff_trees(to_tree(before), to_tree(after));
}

std::vector<Change> diff_masked(const Config& before, const Config& after) {
  Node old_tree = to_tree(before);
  Node new_tree = to_tree(after);
  mask_secrets(old_tree);
  mask_secrets(new_tree);
  return diff_trees(old_tree, new_tree);
}

std::string render_changes(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& change : changes) {
    out += change.path + ": " + what_happened(change);
    out += change.needs_restart ? " (needs a restart)\n" : "\n";
  }
  return out;
}

std::string render_rollout_changes(const std::vector<Change>& changes, std::string_view rollout) {
  const std::string whole = "rollouts." + std::string(rollout);
  const std::string within = whole + ".";
  std::vector<std::string> texts;
  std::vector<std::string> of_steps;
  for (const Change& change : changes) {
    if (change.path == whole) texts.push_back(what_happened(change));
    if (!change.path.starts_with(within)) continue;
    const std::string path = change.path.substr(within.size());
    // They are many where a pace has made them, and what else has changed must not be lost behind.
    (path.starts_with("steps") ? of_steps : texts)
        .push_back(path + ": " + what_happened(change) +
                   (is_of_next_run(path)     ? " (from the next run on)"
                    : draws_users_anew(path) ? " (draws users anew)"
                                             : ""));
  }
  texts.insert(texts.end(), of_steps.begin(), of_steps.end());
  std::string out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (out.size() + texts[i].size() > kRolloutChangesMax) {
      return out + (out.empty() ? "" : "; and ") + std::to_string(texts.size() - i) + " more";
    }
    out += (out.empty() ? "" : "; ") + texts[i];
  }
  return out;
}

}  // namespace canaryd::config
