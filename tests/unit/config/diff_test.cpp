#include "canaryd/config/diff.hpp"

#include "canaryd/config/schema.hpp"
#include "unit/config/load_support.hpp"

#include <gtest/gtest.h>

namespace canaryd::config {
namespace {

std::string changes(const std::string& before,
                    const std::string& after,
                    const Overrides& set = {}) {
  const LoadResult first = load_text(before);
  const LoadResult second = load_text(after, {}, set);
  EXPECT_TRUE(first.config.has_value()) << report_of(first);
  EXPECT_TRUE(second.config.has_value()) << report_of(second);
  if (!first.config || !second.config) return "invalid";
  return render_changes(diff(*first.config, *second.config));
}

TEST(Diff, NothingChanged) {
  EXPECT_EQ(changes(kSmall, kSmall), "");
  EXPECT_EQ(changes(kSmall, std::string(kSmall) + "drain: {timeout: 30s}\n"), "")
      << "a default written out";
}

TEST(Diff, NamesKeysAndWhatNeedsARestart) {
  EXPECT_EQ(changes(kSmall,
                    kSmall,
                    {{"workers", "4"},
                     {"admin.address", "127.0.0.1:9999"},
                     {"state.dir", "/tmp/x"},
                     {"drain.timeout", "1m"},
                     {"rollouts.shop.revision", "2"},
                     {"listeners[0].address", "127.0.0.1:8088"}}),
            "workers: auto -> 4 (needs a restart)\n"
            "listeners[public].address: 127.0.0.1:8080 -> 127.0.0.1:8088\n"
            "admin.address: 127.0.0.1:9901 -> 127.0.0.1:9999 (needs a restart)\n"
            "rollouts.shop.revision: added \"2\"\n"
            "state.dir: /var/lib/canaryd -> /tmp/x (needs a restart)\n"
            "drain.timeout: 30s -> 1m\n");
}

TEST(Diff, KnowsWhatOfTheLogNeedsARestart) {
  const std::string before = std::string(kSmall) + "log: {access: {sample: 100}}\n";
  EXPECT_EQ(changes(before, std::string(kSmall) + "log: {access: {sample: 5, file: a}, file: b}\n"),
            "log.access.sample: 100 -> 5\n"
            "log.access.file: added a (needs a restart)\n"
            "log.file: added b (needs a restart)\n");
  EXPECT_EQ(changes(kSmall, before), "log.access: added (needs a restart)\n");
}

TEST(Diff, ShowsNoSecret) {
  const auto with = [](const std::string& url, const std::string& arguments) {
    std::string text = kSmall;
    const std::string hooks = ", hooks: [{on: [held], http: {url: \"http://" + url +
                              "\"}}, {on: [held], exec: [curl, " + arguments + "]}]}";
    return text.replace(text.find("new}") + 3, 1, hooks);
  };
  const std::string before = with("chat/?token=one", "one");
  EXPECT_EQ(changes(before, with("chat/?token=two", "two")),
            "rollouts.shop.hooks[0].http.url: \"http://chat:80/?token=***\", changed behind the "
            "mask\n"
            "rollouts.shop.hooks[1].exec: [curl, \"***\"], changed behind the mask\n");
  const std::string after = with("talk/?token=two", "two, three");
  const std::string seen =
      "rollouts.shop.hooks[0].http.url: \"http://chat:80/?token=***\" -> "
      "\"http://talk:80/?token=***\"\n"
      "rollouts.shop.hooks[1].exec: [curl, \"***\"] -> [curl, \"***\", \"***\"]\n";
  EXPECT_EQ(changes(before, after), seen);
  const auto masked = [](const std::string& text) {
    return *load_text(render_masked_dump(*load_text(text).config)).config;
  };
  EXPECT_TRUE(diff_masked(masked(before), *load_text(before).config).empty());
  EXPECT_TRUE(
      diff_masked(masked(before), *load_text(with("chat/?token=two", "two")).config).empty());
  EXPECT_EQ(render_changes(diff_masked(masked(before), *load_text(after).config)), seen);
}

TEST(Diff, FollowsListenersAndRoutesByName) {
  const std::string more =
      R"(version: 1
listeners:
  - {name: first, address: 127.0.0.1:8079}
  - {name: public, address: 127.0.0.1:8080}
upstreams:
  old: {endpoints: [127.0.0.1:9001, 127.0.0.1:9011]}
  new: {endpoints: [127.0.0.1:9002]}
rollouts:
  shop: {stable: old, canary: new, steps: [{weight: 1}, {weight: 7}, {weight: 100}]}
routes:
  - {name: extra, match: {path_prefix: /x}, upstream: old}
  - {name: all, rollout: shop}
)";
  EXPECT_EQ(changes(kSmall, more),
            "listeners[first]: added\n"
            "upstreams.old.endpoints: [127.0.0.1:9001] -> [127.0.0.1:9001, 127.0.0.1:9011]\n"
            "rollouts.shop.steps[1].weight: 5 -> 7\n"
            "rollouts.shop.steps[2].weight: 10 -> 100\n"
            "rollouts.shop.steps[3]: removed\n"
            "rollouts.shop.steps[4]: removed\n"
            "routes[extra]: added\n");
  const std::string back = changes(more, kSmall);
  EXPECT_NE(back.find("listeners[first]: removed\n"), std::string::npos);
}

TEST(Diff, TellsTheJournalOfARolloutOnlyWhatIsItsOwn) {
  using Kind = Change::Kind;
  const std::vector<Change> all = {
      {Kind::kChanged, "workers", "1", "2", true},
      {Kind::kAdded, "rollouts.shop.freeze[0]", "", "", false},
      {Kind::kChanged, "rollouts.shop.bake.duration", "30m", "1h", false},
      {Kind::kRemoved, "rollouts.shop-2.gate", "qa", "", false},
      {Kind::kAdded, "rollouts.till", "", "", false}};
  EXPECT_EQ(render_rollout_changes(all, "shop"), "freeze[0]: added; bake.duration: 30m -> 1h");
  EXPECT_EQ(render_rollout_changes(all, "shop-2"), "gate: removed qa");
  EXPECT_EQ(render_rollout_changes(all, "till"), "added");
  EXPECT_EQ(render_rollout_changes(all, "sho"), "");
}

TEST(Diff, TellsTheJournalWhatItHasRoomForAndOfStepsLast) {
  using Kind = Change::Kind;
  std::vector<Change> all;
  for (int i = 0; i < 400; ++i) {
    const std::string step = "rollouts.shop.steps[" + std::to_string(i) + "].min_duration";
    all.push_back({Kind::kChanged, step, "10s", "20s", false});
  }
  all.push_back({Kind::kRemoved, "rollouts.shop.freeze[0]", "", "", false});
  all.push_back({Kind::kChanged, "rollouts.shop.analysis.limits.errors", "1", "2", false});
  const std::string told = render_rollout_changes(all, "shop");
  EXPECT_LE(told.size(), kRolloutChangesMax + 20);
  EXPECT_TRUE(
      told.starts_with("freeze[0]: removed; analysis.limits.errors: 1 -> 2 (from the next "
                       "run on); steps[0].min_duration: 10s -> 20s; "))
      << told;
  EXPECT_TRUE(told.ends_with(" more")) << told;
}

TEST(Diff, TellsWhatBecomesOfRollouts) {
  const auto fates = [](const std::string& before, const std::string& after) {
    std::string text;
    for (const RolloutChange& change :
         diff_rollouts(*load_text(before).config, *load_text(after).config)) {
      text += change.name + " " + std::string(to_string(change.fate)) + " " + change.why + "\n";
    }
    return text;
  };
  const std::string start = std::string(kSmall).substr(0, std::string(kSmall).find("rollouts:"));
  const auto with = [&start](const std::string& rollout) {
    return start + "rollouts: {" + rollout + "}\nroutes: [{name: all, upstream: old}]\n";
  };
  const std::string shop = with("shop: {stable: old, canary: new}");
  EXPECT_EQ(fates(shop, with("shop: {stable: old, canary: new, bake: {duration: 1h}}")),
            "shop kept \n");
  EXPECT_EQ(fates(shop, with("shop: {stable: old, canary: new, steps: [{weight: 100}]}")),
            "shop replanned \n");
  EXPECT_EQ(fates(shop, with("shop: {stable: old, canary: new, bake: {holdback: 5}}")),
            "shop replanned \n")
      << "the last step leads elsewhere";
  EXPECT_EQ(fates(shop, with("shop: {stable: new, canary: old, revision: \"2\"}")),
            "shop renewed stable old -> new, canary new -> old, revision none -> 2\n");
  EXPECT_EQ(fates(shop, with("till: {stable: old, canary: new}")), "till added \nshop ends \n");
}

TEST(Diff, KnowsWhatARunUnderWayDoesNotGoBy) {
  const std::string start = std::string(kSmall).substr(0, std::string(kSmall).find("rollouts:"));
  const auto judged = [&start](const std::string& analysis) {
    return start + "rollouts: {shop: {stable: old, canary: new" + analysis +
           "}}\nroutes: [{name: all, upstream: old}]\n";
  };
  const auto of_next_run = [&](const std::string& analysis) {
    const auto before = load_text(judged(""));
    const auto after = load_text(judged(analysis));
    return diff_rollouts(*before.config, *after.config).front().judges_next_run;
  };
  EXPECT_FALSE(of_next_run(", bake: {duration: 1h}"));
  EXPECT_TRUE(of_next_run(", analysis: {tolerance: {errors: {absolute: 0.5}}}"));
  EXPECT_TRUE(of_next_run(", analysis: {limits: {errors: 5}}"));
  EXPECT_TRUE(of_next_run(", analysis: {latency_quantiles: [50]}"));
}

TEST(Diff, KnowsWhatDrawsUsersAnew) {
  const std::string start = std::string(kSmall).substr(0, std::string(kSmall).find("rollouts:"));
  const auto shop = [&start](const std::string& more) {
    return load_text(start + "rollouts: {shop: {stable: old, canary: new" + more +
                     "}}\nroutes: [{name: all, upstream: old}]\n");
  };
  const auto redrawn = [&](const std::string& before, const std::string& after) {
    return diff_rollouts(*shop(before).config, *shop(after).config).front().redrawn;
  };
  const std::string keys = ", cohort: {keys: [{header: X-User}, {cookie: id}]";
  const std::string issued = keys + ", issue_cookie: {name: id}}";
  EXPECT_EQ(redrawn("", ", cohort: {salt: other}"),
            "users are drawn anew (cohort.salt): some change version at once, in both directions");
  EXPECT_EQ(redrawn("", issued),
            "users are drawn anew (cohort.keys, cohort.issue_cookie): some change version at once, "
            "in both directions");
  EXPECT_EQ(redrawn(keys + "}", issued).find("users are drawn anew (cohort.issue_cookie)"), 0U);
  EXPECT_EQ(redrawn(issued, keys + ", issue_cookie: {name: id, max_age: 1h}}"), "");
  EXPECT_EQ(redrawn("", ", cohort: {salt: shop}"), "") << "it is that by default";
  EXPECT_EQ(redrawn("", ", bake: {duration: 1h}"), "");
  EXPECT_EQ(redrawn("", ", revision: \"2\", cohort: {salt: other}"), "") << "it begins anew";
  const auto told =
      render_rollout_changes(diff(*shop("").config, *shop(", cohort: {salt: b}").config), "shop");
  EXPECT_EQ(told, "cohort.salt: shop -> b (draws users anew)");
}

}  // namespace
}  // namespace canaryd::config
